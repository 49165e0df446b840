"""The recorder `group`: sessions that a process starts at the same time share one commit.

Each request is answered after the commit of its row (see `grouped.py`).
"""

from collections.abc import Sequence
from typing import Any

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from ..models import TrackingSession
from . import direct, statements
from .grouped import GroupedForTasks
from .statements import Row


def record(row: Row) -> None:
    """As `recorders.record`. Inside a transaction of the caller, the row belongs to that transaction."""
    alias = router.db_for_write(TrackingSession)
    if connections[alias].in_atomic_block:
        direct.record(row)
    else:
        recordings.do(alias, row)


async def arecord(row: Row) -> None:
    """As `record`, for a task. It never joins a transaction of the caller: only threads have one."""
    await recordings.ado(router.db_for_write(TrackingSession), row)


def _insert(connection: BaseDatabaseWrapper, rows: Sequence[Row], again: bool) -> list[None]:
    statements.insert_all(connection, rows, again=again)
    return [None] * len(rows)


def _inserted(rows: Sequence[Row], found: Sequence[Any]) -> list[None]:
    return [None] * len(rows)


recordings = GroupedForTasks(_insert, statements.insert_query, _inserted)
