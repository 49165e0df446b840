"""Writes a started session as a row, with the recorder from the setting `RECORDER`."""

from django.db import router

from ..database.attempts import queue_timeout
from ..database.connections import is_grouped
from ..models import TrackingSession
from . import direct, group
from .statements import Row


def record(row: Row) -> None:
    """Insert the row, and return after the commit (inside a transaction of the caller: after the insert).

    Raises StoreUnavailable if no confirmation arrives. Then nothing is stored, unless the connection broke
    during the commit.
    """
    recorder = group if is_grouped(router.db_for_write(TrackingSession)) else direct
    recorder.record(row)


def is_stuck() -> bool:
    """Say whether the recorder's current write has taken longer than a write may take."""
    return group.recordings.busy_for() > queue_timeout()


async def arecord(row: Row) -> None:
    """As `record`, for a task. Use it only if `connections.is_grouped` returns true."""
    await group.arecord(row)
