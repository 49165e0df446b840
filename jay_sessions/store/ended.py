"""Finds out whether a session has ended: from the database, or from this process's memory.

With `END_PROPAGATION` 0 each look-up is a query; with `RECORDER` `group`, simultaneous look-ups share one.
Above 0, each process keeps the ended sessions that are within their lifetime (see `ended_ids.py`). Inside a
transaction of the caller, each look-up is a query.
"""

import contextlib
import uuid
from collections.abc import Sequence
from time import monotonic
from typing import Any

from asgiref.sync import sync_to_async
from django.db import DatabaseError, connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .. import conf
from ..database import leases
from ..database.connections import is_grouped
from ..database.queries import ask
from ..models import EndedSession, TrackingSession
from . import ended_ids, statements
from .grouped import Grouped

PRUNED_EVERY = 60.0
"""Seconds between two deletions of old notes by a process. It does so when it ends a session."""


def is_ended(session_id: str) -> bool:
    """Say whether the session was ended; false for a session without a row.

    `session_id` has the form of `str(UUID)`. Raises StoreUnavailable.
    """
    settings = conf.get()
    alias = router.db_for_write(TrackingSession)
    # A transaction of the caller asks for itself. It may have ended sessions and be rolled back, so nothing
    # that it reads may get into the memory of the process.
    if not connections[alias].in_atomic_block:
        if settings.end_propagation and settings.session_lifetime is not None:
            return ended_ids.of_this_process(alias).has(session_id)
        if is_grouped(alias):
            return look_ups.do(alias, session_id)
    return ask(alias, lambda again: statements.is_ended(connections[alias], session_id))


async def ais_ended(session_id: str) -> bool:
    """As `is_ended`, for a task. Use it only if `connections.is_grouped` returns true."""
    settings = conf.get()
    alias = router.db_for_write(TrackingSession)
    if not settings.end_propagation or settings.session_lifetime is None:
        return await look_ups.ado(alias, session_id)
    known = ended_ids.of_this_process(alias)
    if known.is_due():
        with leases.wanted():
            return await sync_to_async(known.has, thread_sensitive=False)(session_id)
    return known.knows(session_id)


def note(*session_ids: uuid.UUID) -> None:
    """Note that the sessions have ended. Call it in the transaction that ends them."""
    alias = router.db_for_write(TrackingSession)
    EndedSession.objects.using(alias).note(*session_ids)
    transaction.on_commit(lambda: _noted(alias, session_ids), using=alias)


def _noted(alias: str, session_ids: Sequence[uuid.UUID]) -> None:
    global _pruned_at  # noqa: PLW0603 (one time for the process)
    if conf.get().end_propagation:
        for session_id in session_ids:
            ended_ids.of_this_process(alias).add(session_id)
    if _pruned_at is None or monotonic() - _pruned_at > PRUNED_EVERY:
        _pruned_at = monotonic()
        # The end is committed: it must not fail because of old notes.
        with contextlib.suppress(DatabaseError):
            EndedSession.objects.using(alias).prune()


_pruned_at: float | None = None


def _ask(connection: BaseDatabaseWrapper, session_ids: Sequence[str], again: bool) -> list[bool]:
    ended = statements.ended_of(connection, session_ids)
    return [session_id in ended for session_id in session_ids]


def _answers(session_ids: Sequence[str], rows: Sequence[Any]) -> list[bool]:
    ended = {str(session_id) for (session_id,) in rows}
    return [session_id in ended for session_id in session_ids]


look_ups = Grouped(_ask, statements.ended_query, _answers)
