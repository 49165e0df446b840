"""Ends sessions: for clients by their tokens, for operators by ids and rows."""

import datetime
import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from django.db import connections, router, transaction

from . import conf
from .core.tokens import Token
from .core.uuid7 import moment_of
from .database import keyset
from .database.clock import MARGIN
from .database.errors import let_go_when_idle, translating_errors, tried_again
from .database.queries import ask
from .models import Reason, TrackingSession, TrackingSessionQuerySet
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
    before = 0
    try:
        for session in _endable(tokens_by_id, may_end):
            if _is_over(session):
                before += ended.has_end(session.session_id)
            elif ended.end(session.session_id, Reason.CLIENT, _now()):
                ended_now.append(session)
            else:
                before += 1
        return Ends(len(ended_now), before)
    finally:
        # Sent here, outside the database's deadline: a receiver may be slow.
        for session in ended_now:
            send_after_commit(session_ended, session)


def _endable(
    tokens_by_id: Mapping[uuid.UUID, Token], may_end: Callable[[str], bool] | None
) -> list[TrackingSession]:
    """Return the sessions of the tokens that `may_end` allows to end; without a row there is no playout."""
    rows: dict[uuid.UUID, TrackingSession] = {}
    if may_end is not None or session_ended.receivers:
        rows = _rows(tokens_by_id)
    if may_end is None:
        return [rows.get(pk) or _as_in(token) for pk, token in tokens_by_id.items()]
    return [session for session in rows.values() if may_end(session.playout_id)]


def _rows(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, TrackingSession]:
    rows = TrackingSession.objects.primary()
    return ask(rows.db, lambda again: rows.in_bulk(list(ids)))


def end_by_id(session_id: uuid.UUID) -> bool:
    """As `sessions.end_by_id`."""
    started_at = moment_of(session_id)
    session = _rows([session_id]).get(session_id) or TrackingSession(
        session_id=session_id, started_at=started_at
    )
    if _is_over(session) or not ended.end(session_id, Reason.OPERATOR, _now()):
        return False
    _tell(session)
    return True


def end_each(rows: TrackingSessionQuerySet, *, newest_first: bool = False) -> Iterator[int]:
    """End the valid ones of these sessions as an operator. Yields how many, batch by batch.

    The rows must be ordered by their ids; set `newest_first` for the descending order. Raises
    StoreUnavailable. `session_ended` is sent for each session after its commit.
    """
    alias = router.db_for_write(TrackingSession)
    valid = rows.using(alias).active(conf.get().expired_until(_now()))
    ids = valid.values_list("session_id", flat=True)
    with translating_errors():
        for batch in keyset.batches(ids, "session_id", _BATCH, descending=newest_first):
            # In the order of `statements.end_all`, so that the two cannot wait for each other.
            sessions = TrackingSession.objects.using(alias).filter(pk__in=batch).order_by("session_id")
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
        return [
            session
            for session in sessions
            if ended.end_within(alias, session.session_id, Reason.OPERATOR, _now())
        ]


def _is_over(session: TrackingSession) -> bool:
    """Say whether no host takes the session's token for valid any more, because it has expired."""
    limit = conf.get().expired_until(_now() - MARGIN)
    return limit is not None and moment_of(session.session_id) <= limit


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


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
