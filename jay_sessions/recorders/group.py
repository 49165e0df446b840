"""The recorder that commits together what the threads and tasks of a process start at the same time.

One thread writes for all who wait, over a connection that belongs to none of them, and each is
answered after the commit that holds its row. Who starts a session while nobody else does commits it at
once. Nothing stands behind it that would have to be started after a fork or drained in the end: each row
has a request that waits for it.
"""

from collections.abc import Sequence

from django.db import DatabaseError, connections, router
from django.utils.asyncio import async_unsafe

from .. import statements
from ..batcher import Batcher, NotDone
from ..exceptions import StoreUnavailable
from ..models import TrackingSession
from ..shared import PerProcess, SharedConnection
from ..statements import Row
from ..store import available
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
        await _writers.get(router.db_for_write(TrackingSession)).batcher.ado(row)
    except NotDone as error:
        raise StoreUnavailable("The session was not recorded in time.") from error


class _Writer:
    def __init__(self, alias: str) -> None:
        self.connection = SharedConnection(alias)
        self.batcher: Batcher[Row, None] = Batcher(self._write, most=MOST)

    def _write(self, rows: Sequence[Row]) -> list[Exception | None]:
        try:
            with available():
                self.connection.run(
                    lambda connection, again: statements.insert_all(connection, rows, again=again)
                )
        except StoreUnavailable as error:
            return [error.again() for _ in rows]
        except DatabaseError as error:
            # One of them is to blame, which is nothing to the others.
            return [error] if len(rows) == 1 else [self._write([row])[0] for row in rows]
        return [None] * len(rows)


_writers = PerProcess(_Writer)
