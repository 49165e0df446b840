"""How a started session becomes a row: the recorder that `RECORDER` names."""

from .. import conf
from ..statements import Row
from . import direct, group


def record(row: Row) -> None:
    """Return once the row is committed (inside a transaction of the caller's: once it is written).

    Raises StoreUnavailable where that is not known to have happened: nothing is stored then, unless
    the connection broke in the middle of the commit.
    """
    recorder = group if conf.get().is_grouped else direct
    recorder.record(row)


async def arecord(row: Row) -> None:
    """As `record`, for a task of an event loop, where `RECORDER` is `group`."""
    await group.arecord(row)
