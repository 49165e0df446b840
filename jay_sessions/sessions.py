"""Start, read and end a tracking session. All code that does so uses this module."""

import dataclasses
import datetime
import secrets
import uuid
from collections.abc import Callable, Iterable, Iterator

from asgiref.sync import sync_to_async

from . import conf, ending
from .core import tokens
from .core.identifiers import clean_playout_id, clean_user_id, clean_zephr_session_id
from .core.secret_text import Secret
from .core.steps import Step, Steps, run
from .core.tokens import Token
from .core.uuid7 import RANDOM_BITS, uuid7_text
from .exceptions import InvalidUserId, NoSession
from .models import ApiKey, TrackingSession
from .signals import session_started
from .store import ended, recorders
from .store.after_commit import send_after_commit
from .store.statements import Row


@dataclasses.dataclass(frozen=True, slots=True)
class Started:
    """A new session: `token` has its data, `encoded` is the same token as text for cookie and header."""

    token: Token
    encoded: Secret


def given_user_id(value: object) -> str | None:
    """Return the cleaned user id for a new session; None for a blank one or one of `IGNORED_USER_IDS`.

    Raises InvalidUserId as `identifiers.check_text` describes.
    """
    user_id = clean_user_id(value)
    return None if user_id in conf.get().ignored_user_ids else user_id


def start(
    playout_id: str,
    user_id: str | None = None,
    *,
    api_key: ApiKey | None = None,
    zephr_session_id: str | None = None,
    anonymous: bool = False,
) -> Started:
    """Record a new session and return it. `zephr_session_id` links it to a Zephr session.

    With `anonymous=True` the user has not consented: both ids are validated, then discarded.
    `USER_ID_STORAGE` sets the form in which the row stores the user id.

    When this returns, the session is committed. Inside a transaction of the caller, it is committed with
    that transaction. Raises InvalidPlayoutId, InvalidUserId, InvalidZephrSessionId, or StoreUnavailable
    if it could not be recorded. `session_started` is sent after the commit.
    """
    return run(starting(playout_id, user_id, api_key, zephr_session_id, anonymous))


def starting(
    playout_id: str,
    user_id: str | None,
    api_key: ApiKey | None,
    zephr_session_id: str | None = None,
    anonymous: bool = False,
) -> Steps[Started]:
    """Return the steps of `start`. A task may run them if `connections.is_grouped` returns true.

    Unlike `astart`, they do not join a transaction that a thread has open.
    """
    settings = conf.get()
    now = datetime.datetime.now(datetime.UTC)
    user_id = given_user_id(user_id)
    zephr_session_id = None if zephr_session_id is None else clean_zephr_session_id(zephr_session_id)
    if anonymous:
        user_id = zephr_session_id = None
    row = Row(
        session_id=uuid7_text(now, secrets.randbits(RANDOM_BITS)),
        playout_id=clean_playout_id(playout_id),
        provider_name=settings.provider_name(playout_id),
        user_id=settings.user_ids.stored(user_id),
        source=settings.source,
        started_at=now,
        api_key_id=None if api_key is None else api_key.id,
        zephr_session_id=zephr_session_id,
    )
    started = _signed(row, settings.user_ids.kept(user_id))
    yield Step(recorders.record, recorders.arecord, row)
    if session_started.receivers:
        yield Step(_send_started, _asend_started, row)
    return started


def _signed(row: Row, user_id: str | None) -> Started:
    """Return the session as the client gets it; its row may have another form of the user id."""
    settings = conf.get()
    token = Token(
        session_id=row.session_id,
        start_time=row.started_at,
        source=row.source,
        user_id=user_id,
        provider_name=row.provider_name,
        signed=True,
    )
    encoded = tokens.encode(token, settings.signing_keys[0])
    if len(settings.cookie_name) + len(encoded) > tokens.MAX_LENGTH:
        raise InvalidUserId("string_too_long", "The token would be too long for a cookie.")
    return Started(token, encoded)


def with_provider(token: Token, playout_id: str) -> Token:
    """Return the token; if it has no provider name, with the one of the playout."""
    if token.provider_name is not None:
        return token
    return token._replace(provider_name=conf.get().provider_name(playout_id))


def read(candidates: Iterable[str]) -> Token:
    """Return the token of the first candidate that belongs to a valid session.

    Raises NoSession if there is none, and StoreUnavailable if the database is needed and unavailable.
    """
    return run(reading(candidates))


def reading(candidates: Iterable[str]) -> Steps[Token]:
    """Return the steps of `read`. A task may run them if `connections.is_grouped` returns true."""
    for token in _valid_unless_ended(candidates):
        if not (token.signed and (yield Step(ended.is_ended, ended.ais_ended, token.session_id))):
            return token
    raise NoSession("No tracking session found or session data is invalid")


def _valid_unless_ended(candidates: Iterable[str]) -> Iterator[Token]:
    settings = conf.get()
    limit = settings.expired_until(datetime.datetime.now(datetime.UTC))
    for candidate in candidates:
        token = settings.token_of(candidate)
        if token is None or (settings.require_signed_tokens and not token.signed):
            continue
        if limit is None or token.start_time > limit:
            yield token


def end(candidates: Iterable[str], may_end: Callable[[str], bool] | None = None) -> int:
    """End the sessions of all candidates with a valid signature; return how many were valid until now.

    `may_end` is called with each session's playout id; if it returns false, that session is left out, and so
    is one without a stored row, as its playout is unknown. Without `may_end`, no row is needed. Ending a
    session twice changes nothing. Raises StoreUnavailable. `session_ended` is sent after the commit, once
    for each session.
    """
    return ending.end_tokens(candidates, may_end).now


def end_by_id(session_id: uuid.UUID) -> bool:
    """End a session as an operator; return whether it was valid until now. Its row need not be stored.

    Raises StoreUnavailable. `session_ended` is sent after the commit.
    """
    return ending.end_by_id(session_id)


def end_all(user_id: str) -> int:
    """End all valid sessions of a user as an operator; return how many. They are found by their rows.

    `user_id` is the plain id or a stored form of it. Raises StoreUnavailable. `session_ended` is sent for
    each session after its commit.
    """
    return sum(ending.end_each(TrackingSession.objects.of_user(user_id).order_by("session_id")))


async def astart(
    playout_id: str,
    user_id: str | None = None,
    *,
    api_key: ApiKey | None = None,
    zephr_session_id: str | None = None,
    anonymous: bool = False,
) -> Started:
    """As `start`, for async code."""
    recorded = sync_to_async(start)
    return await recorded(
        playout_id, user_id, api_key=api_key, zephr_session_id=zephr_session_id, anonymous=anonymous
    )


async def aread(candidates: Iterable[str]) -> Token:
    """As `read`, for async code."""
    return await sync_to_async(read)(candidates)


async def aend(candidates: Iterable[str], may_end: Callable[[str], bool] | None = None) -> int:
    """As `end`, for async code; `may_end` is called in another thread."""
    return await sync_to_async(end)(candidates, may_end)


async def aend_by_id(session_id: uuid.UUID) -> bool:
    """As `end_by_id`, for async code."""
    return await sync_to_async(end_by_id)(session_id)


async def aend_all(user_id: str) -> int:
    """As `end_all`, for async code."""
    return await sync_to_async(end_all)(user_id)


def _send_started(row: Row) -> None:
    send_after_commit(session_started, row.as_session())


async def _asend_started(row: Row) -> None:
    await session_started.asend_robust(TrackingSession, session=row.as_session())
