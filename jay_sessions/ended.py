"""Which sessions were ended: asked of the database, or known to the process for some seconds.

With `END_PROPAGATION` 0 each look-up is a query, which threads that ask at the same time share where
`RECORDER` is `group`. Above 0, a process knows the ended sessions that are within their lifetime (see
`ended_ids.py`).
"""

import contextlib
import uuid
from collections.abc import Sequence
from time import monotonic

from asgiref.sync import sync_to_async
from django.db import DatabaseError, connections, router, transaction
from django.utils import timezone
from django.utils.asyncio import async_unsafe

from . import conf, ended_ids, statements
from .batcher import Batcher, NotDone
from .exceptions import StoreUnavailable
from .loop_connection import LoopConnection, NotAnswered, in_each_loop
from .models import EndedSession, TrackingSession
from .shared import PerProcess, SharedConnection
from .store import available
from .task_batcher import TaskBatcher

MOST = 64
"""Sessions that one query asks for."""

PRUNED_EVERY = 60.0
"""Seconds after which a process that ends a session removes old notes, too."""


def is_ended(session_id: str) -> bool:
    """Say whether the session was ended, by its id as `str(UUID)` writes it; one without a row was not.

    Raises StoreUnavailable.
    """
    settings = conf.get()
    alias = router.db_for_write(TrackingSession)
    if settings.end_propagation and settings.session_lifetime is not None:
        return ended_ids.of_this_process(alias).has(session_id)
    if settings.is_grouped and not connections[alias].in_atomic_block:
        return _is_ended(alias, session_id)
    with available():
        return statements.is_ended(connections[alias], session_id)


async def ais_ended(session_id: str) -> bool:
    """As `is_ended`, for a task of an event loop, where `RECORDER` is `group`."""
    settings = conf.get()
    alias = router.db_for_write(TrackingSession)
    if not settings.end_propagation or settings.session_lifetime is None:
        try:
            return await _loop_lookups.get(alias).get().batcher.do(session_id)
        except NotDone as error:
            raise StoreUnavailable("The database did not answer in time.") from error
    known = ended_ids.of_this_process(alias)
    if known.is_due():
        return await sync_to_async(known.has, thread_sensitive=False)(session_id)
    return known.knows(session_id)


# Refused before anything is done: the event loop's thread could not ask for those that wait with it.
@async_unsafe
def _is_ended(alias: str, session_id: str) -> bool:
    try:
        return _lookups.get(alias).batcher.do(session_id)
    except NotDone as error:
        raise StoreUnavailable("The database did not answer in time.") from error


def note(session_id: uuid.UUID) -> None:
    """Note, in the transaction of the end itself, that the session is ended."""
    alias = router.db_for_write(TrackingSession)
    EndedSession.objects.using(alias).note(session_id)
    transaction.on_commit(lambda: _noted(alias, session_id), using=alias)


def _noted(alias: str, session_id: uuid.UUID) -> None:
    global _pruned_at  # noqa: PLW0603 (one time for the process)
    if conf.get().end_propagation:
        ended_ids.of_this_process(alias).add(session_id)
    if _pruned_at is None or monotonic() - _pruned_at > PRUNED_EVERY:
        _pruned_at = monotonic()
        # The end is committed: old notes are no reason to call it failed.
        with contextlib.suppress(DatabaseError):
            EndedSession.objects.using(alias).prune(timezone.now())


_pruned_at: float | None = None


def _ask(connection: SharedConnection, session_ids: Sequence[str]) -> list[bool | Exception]:
    try:
        with available():
            ended = connection.run(lambda connection, _: statements.ended_of(connection, session_ids))
    except StoreUnavailable as error:
        return [error.again() for _ in session_ids]
    return [session_id in ended for session_id in session_ids]


class _LookUps:
    """For the threads of a process."""

    def __init__(self, alias: str) -> None:
        connection = self.connection = SharedConnection(alias)
        self.batcher: Batcher[str, bool] = Batcher(lambda ids: _ask(connection, ids), most=MOST)


class _LoopLookUps:
    """For the tasks of an event loop."""

    def __init__(self, alias: str) -> None:
        self.connection = LoopConnection(alias)
        self.batcher: TaskBatcher[str, bool] = TaskBatcher(self._ask, most=MOST)

    async def _ask(self, session_ids: Sequence[str]) -> list[bool | Exception]:
        try:
            found = await self.connection.rows(statements.question_of(session_ids))
        except NotAnswered:
            return await self.connection.in_thread(lambda connection: _ask(connection, session_ids))
        ended = {session_id.decode() for [session_id] in found if session_id is not None}
        return [session_id in ended for session_id in session_ids]


_lookups = PerProcess(_LookUps)
_loop_lookups = in_each_loop(_LoopLookUps)
