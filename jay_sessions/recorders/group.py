"""The recorder that commits together what the threads and tasks of a process start at the same time.

One of them writes for all who wait, over a connection that belongs to none of them, and each is
answered after the commit that holds its row. Threads share one connection, the tasks of an event loop
another. Who starts a session while nobody else does commits it at once. Nothing stands behind it that
would have to be started after a fork or drained in the end: each row has a request that waits for it.
"""

from collections.abc import Sequence

from django.db import DatabaseError, connections, router
from django.utils.asyncio import async_unsafe

from .. import statements
from ..batcher import Batcher, NotDone
from ..exceptions import StoreUnavailable
from ..loop_connection import LoopConnection, NotAnswered, in_each_loop
from ..models import TrackingSession
from ..shared import PerProcess, SharedConnection
from ..statements import Row
from ..store import available
from ..task_batcher import TaskBatcher
from . import direct

MOST = 64
"""Rows of one commit; for each number of rows up to it, a connection plans one statement."""


# Refused before anything is done: the event loop's thread could not write for those that wait with it.
@async_unsafe
def record(row: Row) -> None:
    """As `recorders.record` says; inside a transaction of the caller's, the row is a part of that."""
    alias = router.db_for_write(TrackingSession)
    if connections[alias].in_atomic_block:
        direct.record(row)
        return
    try:
        _writers.get(alias).batcher.do(row)
    except NotDone as error:
        raise StoreUnavailable("The session was not recorded in time.") from error


async def arecord(row: Row) -> None:
    """As `record`, for a task; a transaction of the caller's, which only threads have, is none of its."""
    try:
        await _loop_writers.get(router.db_for_write(TrackingSession)).get().batcher.do(row)
    except NotDone as error:
        raise StoreUnavailable("The session was not recorded in time.") from error


def write(
    connection: SharedConnection, rows: Sequence[Row], *, again: bool = False
) -> list[Exception | None]:
    """Write and commit the rows; return for each what was wrong with it, or None.

    With `again`, those that are there already are left out.
    """
    try:
        with available():
            connection.run(
                lambda connection, resent: statements.insert_all(connection, rows, again=again or resent)
            )
    except StoreUnavailable as error:
        return [error.again() for _ in rows]
    except DatabaseError as error:
        # One of them is to blame, which is nothing to the others.
        return [error] if len(rows) == 1 else [write(connection, [row], again=again)[0] for row in rows]
    return [None] * len(rows)


class _Writer:
    """For the threads of a process."""

    def __init__(self, alias: str) -> None:
        connection = self.connection = SharedConnection(alias)
        self.batcher: Batcher[Row, None] = Batcher(lambda rows: write(connection, rows), most=MOST)


class _LoopWriter:
    """For the tasks of an event loop."""

    def __init__(self, alias: str) -> None:
        self.connection = LoopConnection(alias)
        self.batcher: TaskBatcher[Row, None] = TaskBatcher(self._write, most=MOST)

    async def _write(self, rows: Sequence[Row]) -> list[Exception | None]:
        try:
            await self.connection.rows(statements.insertion_of(rows))
        except NotAnswered as error:
            again = error.may_be_done
            return await self.connection.in_thread(lambda connection: write(connection, rows, again=again))
        return [None] * len(rows)


_writers = PerProcess(_Writer)
_loop_writers = in_each_loop(_LoopWriter)
