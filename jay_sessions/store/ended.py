"""Ends sessions, and finds out whether one has ended: from the database, or from this process's memory.

With `END_PROPAGATION` 0 each look-up is a query; with `RECORDER` `group`, simultaneous look-ups share one.
Above 0, each process keeps the ended sessions that are within their lifetime (see `ended_ids.py`). Inside a
transaction of the caller, each look-up is a query, and each end a statement.
"""

import datetime
import uuid
from collections.abc import Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from .. import conf
from ..database import leases
from ..database.connections import is_grouped
from ..database.errors import tried_again
from ..database.queries import ask
from ..models import EndedSession, Reason
from ..models.ended import ends_stored
from . import ended_ids, statements
from .after_commit import after_commit
from .grouped import Grouped, GroupedForTasks
from .statements import End


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
    """Store the end of a session; return whether it had not ended before. Raises StoreUnavailable.

    With `RECORDER` `group`, ends that are stored at the same time share a commit.
    """
    alias = router.db_for_write(EndedSession)
    new, connection = End(str(session_id), now, reason), connections[alias]
    if is_grouped(alias) and not connection.in_atomic_block:
        is_new = ends.do(alias, new)
    else:
        is_new = ask(alias, lambda again: _end(connection, new, again))
    return _told(alias, session_id, is_new=is_new)


def end_within(alias: str, session_id: uuid.UUID, reason: Reason, now: datetime.datetime) -> bool:
    """As `end`, as a part of a transaction of this thread. Database errors pass through.

    So the code that began the transaction can try again after a conflict.
    """
    is_new = statements.end(connections[alias], End(str(session_id), now, reason))
    return _told(alias, session_id, is_new=is_new)


def _told(alias: str, session_id: uuid.UUID, *, is_new: bool) -> bool:
    if is_new:
        after_commit(alias, lambda: _remember(None, [session_id], alias))
    return is_new


@tried_again
def _end(connection: BaseDatabaseWrapper, new: End, again: bool) -> bool:
    return statements.end(connection, new, again=again)


@tried_again
def _end_all(connection: BaseDatabaseWrapper, new: Sequence[End], again: bool) -> list[bool]:
    # Of several ends of a session, the first counts.
    first = {end.session_id: end for end in reversed(new)}
    ids = statements.end_all(connection, list(first.values()), again=again)
    return [end.session_id in ids and first[end.session_id] is end for end in new]


def _remember(sender: Any, session_ids: Sequence[uuid.UUID], using: str, **kwargs: Any) -> None:
    if conf.get().end_propagation:
        known = ended_ids.of_this_process(using)
        for session_id in session_ids:
            known.add(session_id)


ends_stored.connect(_remember, dispatch_uid="jay_sessions.remember")


def has_end(session_id: uuid.UUID) -> bool:
    """Ask the database whether an end of the session is stored. Raises StoreUnavailable."""
    rows = EndedSession.objects.primary().filter(pk=session_id)
    return ask(rows.db, lambda again: rows.exists())


def _ask(connection: BaseDatabaseWrapper, session_ids: Sequence[str], again: bool) -> list[bool]:
    ended = statements.ended_of(connection, session_ids)
    return [session_id in ended for session_id in session_ids]


def _answers(session_ids: Sequence[str], rows: Sequence[Any]) -> list[bool]:
    ended = {str(session_id) for (session_id,) in rows}
    return [session_id in ended for session_id in session_ids]


look_ups = GroupedForTasks(_ask, statements.ended_query, _answers)
ends = Grouped(_end_all)
