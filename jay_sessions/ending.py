"""Ends sessions: for clients by their tokens, for operators by ids and rows."""

import datetime
import logging
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from django.db import connections, router, transaction

from . import conf
from .core.tokens import Token
from .core.uuid7 import moment_of
from .database import keyset
from .database.clock import MARGIN
from .database.errors import let_go_when_idle, translating_errors, tried_again
from .database.queries import ask
from .models import EndedSession, Reason, TrackingSession, TrackingSessionQuerySet
from .signals import session_ended
from .store import ended
from .store.after_commit import send_after_commit

logger = logging.getLogger("jay_sessions")

_BATCH = 100


class Ends(NamedTuple):
    """How many sessions this call ended (`now`), and how many had ended already (`before`)."""

    now: int
    before: int


def end_tokens(candidates: Iterable[str], may_end: Callable[[str], bool] | None) -> Ends:
    """As `sessions.end`, but also count the sessions that `may_end` allows and that had ended already."""
    readable = map(conf.get().token_of, candidates)
    tokens_by_id = {uuid.UUID(token.session_id): token for token in readable if token and token.signed}
    if not tokens_by_id:
        return Ends(0, 0)
    ended_now: list[TrackingSession] = []

    def use(again: bool) -> Ends:
        rows: dict[uuid.UUID, TrackingSession] = {}
        if may_end is not None or session_ended.receivers:
            rows = TrackingSession.objects.primary().in_bulk(tokens_by_id)
        before = 0
        for pk, token in tokens_by_id.items():
            session = rows.get(pk) or _as_in(token)
            if may_end is not None and (pk not in rows or not may_end(session.playout_id)):
                continue
            if _is_over(session):
                before += ended.has_end(pk)
            elif _end(session, Reason.CLIENT):
                ended_now.append(session)
            else:
                before += 1
        return Ends(len(ended_now), before)

    try:
        return ask(router.db_for_write(TrackingSession), use)
    finally:
        # Sent here, outside the database's deadline: a receiver may be slow.
        for session in ended_now:
            send_after_commit(session_ended, session)


def end_by_id(session_id: uuid.UUID) -> bool:
    """As `sessions.end_by_id`."""
    alias = router.db_for_write(TrackingSession)

    def use(again: bool) -> TrackingSession | None:
        session = TrackingSession.objects.primary().filter(pk=session_id).first()
        session = session or TrackingSession(session_id=session_id, started_at=moment_of(session_id))
        return session if not _is_over(session) and _end(session, Reason.OPERATOR) else None

    session = ask(alias, use)
    if session is not None:
        _tell(session)
    return session is not None


def end_each(rows: TrackingSessionQuerySet, *, newest_first: bool = False) -> Iterator[int]:
    """End the valid ones of these sessions as an operator. Yields how many, batch by batch.

    The rows must be ordered by their ids; set `newest_first` for the descending order. Raises
    StoreUnavailable. `session_ended` is sent for each session after its commit.
    """
    alias = router.db_for_write(TrackingSession)
    valid = rows.using(alias).active(conf.get().expired_until(datetime.datetime.now(datetime.UTC)))
    ids = valid.values_list("session_id", flat=True)
    with translating_errors():
        for batch in keyset.batches(ids, "session_id", _BATCH, descending=newest_first):
            sessions = TrackingSession.objects.using(alias).filter(pk__in=batch)
            ended_now = _end_together(sessions, alias)
            for session in ended_now:
                _tell(session)
            yield len(ended_now)


@tried_again
def _end_together(sessions: Iterable[TrackingSession], alias: str) -> list[TrackingSession]:
    is_the_callers = connections[alias].in_atomic_block
    with transaction.atomic(alias):
        if not is_the_callers:
            let_go_when_idle(alias)
        return [session for session in sessions if _end(session, Reason.OPERATOR)]


def _is_over(session: TrackingSession) -> bool:
    """Say whether no host takes the session's token for valid any more, because it has expired."""
    limit = conf.get().expired_until(datetime.datetime.now(datetime.UTC) - MARGIN)
    return limit is not None and moment_of(session.session_id) <= limit


def _end(session: TrackingSession, reason: Reason) -> bool:
    """Store the session's end; return whether there was none."""
    now = datetime.datetime.now(datetime.UTC)
    EndedSession(session=session, ended_at=now, reason=reason)
    return ended.end(session.session_id, reason, now)


def _tell(session: TrackingSession) -> None:
    logger.info("Session %s was ended by an operator.", session)
    send_after_commit(session_ended, session)


def _as_in(token: Token) -> TrackingSession:
    """Return the session as far as its token tells: without its playout."""
    return TrackingSession(
        session_id=uuid.UUID(token.session_id),
        playout_id="",
        provider_name=token.provider_name,
        user_id=conf.get().user_ids.stored(token.user_id),
        source=token.source,
        started_at=token.start_time,
    )
