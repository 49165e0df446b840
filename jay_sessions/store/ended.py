"""Ends sessions, and finds out whether one has ended: from the database, or from this process's memory.

With `END_PROPAGATION` 0 each look-up is a query; with `RECORDER` `group`, simultaneous look-ups share one.
Above 0, each process keeps the ended sessions that are within their lifetime (see `ended_ids.py`). Inside a
transaction of the caller, each look-up is a query.
"""

import datetime
import uuid
from collections.abc import Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .. import conf
from ..database import leases
from ..database.connections import is_grouped
from ..database.errors import tried_again
from ..database.queries import ask
from ..models import EndedSession, Reason
from ..models.ended import ends_stored
from . import ended_ids, statements
from .grouped import Grouped


def is_ended(session_id: str) -> bool:
    """Say whether the session was ended, or deleted while its token was valid.

    `session_id` has the form of `str(UUID)`. Raises StoreUnavailable.
    """
    settings = conf.get()
    alias = router.db_for_write(EndedSession)
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
    alias = router.db_for_write(EndedSession)
    if not settings.end_propagation or settings.session_lifetime is None:
        return await look_ups.ado(alias, session_id)
    known = ended_ids.of_this_process(alias)
    if known.is_due():
        with leases.wanted():
            return await sync_to_async(known.has, thread_sensitive=False)(session_id)
    return known.knows(session_id)


def end(session_id: uuid.UUID, reason: Reason, now: datetime.datetime) -> bool:
    """Store the end of a session; return whether it had not ended before. Database errors pass through."""
    alias = router.db_for_write(EndedSession)
    is_new = _stored(alias, session_id, reason, now)
    if is_new:
        transaction.on_commit(lambda: _remember(None, [session_id], alias), using=alias)
    return is_new


@tried_again
def _stored(alias: str, session_id: uuid.UUID, reason: Reason, now: datetime.datetime) -> bool:
    return statements.end(connections[alias], session_id, reason, now)


def _remember(sender: Any, session_ids: Sequence[uuid.UUID], using: str, **kwargs: Any) -> None:
    if conf.get().end_propagation:
        known = ended_ids.of_this_process(using)
        for session_id in session_ids:
            known.add(session_id)


ends_stored.connect(_remember, dispatch_uid="jay_sessions.remember")


def has_end(session_id: uuid.UUID) -> bool:
    """Ask the database whether an end of the session is stored. Database errors pass through."""
    return EndedSession.objects.primary().filter(pk=session_id).exists()


def _ask(connection: BaseDatabaseWrapper, session_ids: Sequence[str], again: bool) -> list[bool]:
    ended = statements.ended_of(connection, session_ids)
    return [session_id in ended for session_id in session_ids]


def _answers(session_ids: Sequence[str], rows: Sequence[Any]) -> list[bool]:
    ended = {str(session_id) for (session_id,) in rows}
    return [session_id in ended for session_id in session_ids]


look_ups = Grouped(_ask, statements.ended_query, _answers)
