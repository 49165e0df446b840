"""Start, read and end a tracking session: the only way to do any of it."""

import dataclasses
import datetime
import uuid
from collections.abc import Callable, Iterable, Iterator

from asgiref.sync import sync_to_async
from django.db import router, transaction
from django.dispatch import Signal

from . import changed_days, conf, ended, providers, recorders, tokens
from .exceptions import InvalidToken, InvalidUserId, NoSession
from .identifiers import check_text, clean_playout_id, clean_user_id, clean_zephr_session_id
from .models import ApiKey, TrackingSession
from .signals import session_ended, session_started
from .statements import Row
from .store import available
from .tokens import Token
from .uuid7 import RandomBits, uuid7_text

_random_bits = RandomBits()


@dataclasses.dataclass(frozen=True, slots=True)
class Started:
    """A new session: `token` is what it says of itself, `encoded` the same as it travels."""

    token: Token
    encoded: str = dataclasses.field(repr=False)


def provider_name(playout_id: str) -> str | None:
    """Return the name of the playout's provider by the site's settings, or None."""
    settings = conf.get()
    name = providers.provider_name(playout_id, settings.provider_names, settings.provider_resolver)
    return check_text(name) if name else None


def expired_until(now: datetime.datetime) -> datetime.datetime | None:
    """Return the time until which sessions that started are past their lifetime; None if they have none."""
    lifetime = conf.get().session_lifetime
    return None if lifetime is None else now - lifetime


def start(
    playout_id: str,
    user_id: str | None = None,
    *,
    api_key: ApiKey | None = None,
    zephr_session_id: str | None = None,
    anonymous: bool = False,
) -> Started:
    """Record a new session and return it; `zephr_session_id` links it to a session of Zephr's.

    Whose session is `anonymous` agreed to nothing: the ids of user and Zephr session are checked and
    dropped. `USER_ID_STORAGE` says in which form the row has the user id.

    When this returns, the session is committed (inside a transaction of the caller's: as durable as
    that transaction). Raises InvalidPlayoutId, InvalidUserId, InvalidZephrSessionId, or
    StoreUnavailable where it could not be recorded; `session_started` is sent after the commit.
    """
    row, started = _new(playout_id, user_id, api_key, zephr_session_id, anonymous)
    recorders.record(row)
    if session_started.receivers:
        _send(session_started, row.as_session())
    return started


async def start_in_loop(
    playout_id: str, user_id: str | None = None, *, api_key: ApiKey, anonymous: bool = False
) -> Started:
    """As `start`, but in the event loop itself, where `RECORDER` is `group`: for whoever has many to start.

    It knows nothing of a transaction that a thread is in, as `astart` does.
    """
    row, started = _new(playout_id, user_id, api_key, None, anonymous)
    await recorders.arecord(row)
    if session_started.receivers:
        await session_started.asend_robust(TrackingSession, session=row.as_session())
    return started


def _new(
    playout_id: str,
    user_id: str | None,
    api_key: ApiKey | None,
    zephr_session_id: str | None,
    anonymous: bool,
) -> tuple[Row, Started]:
    settings = conf.get()
    now = datetime.datetime.now(datetime.UTC)
    user_id = clean_user_id(user_id)
    zephr_session_id = None if zephr_session_id is None else clean_zephr_session_id(zephr_session_id)
    if anonymous:
        user_id = zephr_session_id = None
    row = Row(
        session_id=uuid7_text(now, _random_bits()),
        playout_id=clean_playout_id(playout_id),
        provider_name=provider_name(playout_id),
        user_id=settings.user_ids.stored(user_id),
        source=settings.source,
        started_at=now,
        api_key_id=None if api_key is None else api_key.id,
        zephr_session_id=zephr_session_id,
    )
    return row, _signed(row, settings.user_ids.kept(user_id))


def _signed(row: Row, user_id: str | None) -> Started:
    """Return what the client gets of a session; its row may have another form of the user id."""
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
    """Return the token, with the name of the playout's provider where it names none."""
    if token.provider_name is not None:
        return token
    return token._replace(provider_name=provider_name(playout_id))


def read(candidates: Iterable[str]) -> Token:
    """Return the token of the first candidate that stands for a valid session.

    Raises NoSession where none does, and StoreUnavailable where the database is needed and away.
    """
    for token in _valid_unless_ended(candidates):
        if not (token.signed and ended.is_ended(token.session_id)):
            return token
    raise NoSession(_NO_SESSION)


async def read_in_loop(candidates: Iterable[str]) -> Token:
    """As `read`, but in the event loop itself, where `RECORDER` is `group`."""
    for token in _valid_unless_ended(candidates):
        if not (token.signed and await ended.ais_ended(token.session_id)):
            return token
    raise NoSession(_NO_SESSION)


_NO_SESSION = "No tracking session found or session data is invalid"


def _valid_unless_ended(candidates: Iterable[str]) -> Iterator[Token]:
    settings = conf.get()
    limit = None if settings.session_lifetime is None else expired_until(datetime.datetime.now(datetime.UTC))
    for candidate in candidates:
        token = _readable(candidate)
        if token is None or (settings.require_signed_tokens and not token.signed):
            continue
        if limit is None or token.start_time > limit:
            yield token


def end(candidates: Iterable[str], may_end: Callable[[str], bool] = lambda playout_id: True) -> int:
    """End the sessions of the rightly signed candidates; return how many were open until now.

    `may_end` is asked with each session's playout id. Ending twice changes nothing. Raises
    StoreUnavailable; `session_ended` is sent after the commit, once for each session.
    """
    readable = (_readable(candidate) for candidate in candidates)
    ids = {uuid.UUID(token.session_id) for token in readable if token is not None and token.signed}
    now, count = datetime.datetime.now(datetime.UTC), 0
    if not ids:
        return 0
    with available():
        for session in TrackingSession.objects.primary().open().filter(session_id__in=ids):
            if not may_end(session.playout_id):
                continue
            session.ended_at = now
            if _end(session):
                count += 1
                _send(session_ended, session)
    return count


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


async def aend(candidates: Iterable[str], may_end: Callable[[str], bool] = lambda playout_id: True) -> int:
    """As `end`, for async code; `may_end` is called in another thread."""
    return await sync_to_async(end)(candidates, may_end)


def _end(session: TrackingSession) -> bool:
    with transaction.atomic(router.db_for_write(TrackingSession)):
        still_open = TrackingSession.objects.primary().open().filter(pk=session.pk)
        has_ended = bool(still_open.update(ended_at=session.ended_at))
        if has_ended:
            ended.note(session.pk)
            changed_days.note_ended(session)
    return has_ended


def _readable(candidate: str) -> Token | None:
    try:
        return tokens.decode(candidate, conf.get().signing_keys)
    except InvalidToken:
        return None


def _send(signal: Signal, session: TrackingSession) -> None:
    transaction.on_commit(
        lambda: signal.send_robust(TrackingSession, session=session),
        using=router.db_for_write(TrackingSession),
    )
