"""Finds days that were counted too early, by a clock that was ahead, and notes them for a new count.

A mark in the future says that all sessions up to it are counted, also those that are still to come. So it is
ignored (`statistics.rolled_up_until`), and the next run corrects it.
"""

import datetime
import logging

from django.db import router

from ..database import clock
from ..models.rollups import DailyCount, Dimension, PlayoutWindows, RollupState
from . import daily_counts
from .site_days import day_of

logger = logging.getLogger("jay_sessions")

_ONE_DAY = datetime.timedelta(days=1)


def mark_ahead() -> datetime.datetime | None:
    """Return the time up to which sessions are marked as counted if it is in the future, else None."""
    states = RollupState.objects.using(_alias()).filter(rolled_until__gt=clock.DatabaseNow())
    return states.values_list("rolled_until", flat=True).first()


def warning() -> str:
    """Return a warning for operators about a mark in the future; "" if there is none."""
    mark = mark_ahead()
    return "" if mark is None else _WARNING.format(mark=mark.isoformat(timespec="seconds"))


_WARNING = (
    "Sessions are marked as counted until {mark}, which is in the future: a clock was ahead. Days that "
    "were counted too early are counted again."
)


def first_day(begin: datetime.date, now: datetime.datetime) -> datetime.date:
    """Return the first day from `begin` on that may have been counted too early.

    It is the last counted day before the first day with sessions that were not counted.
    """
    day, last = begin, day_of(now)
    while day < last and daily_counts.rows_of(day, now).count() <= daily_counts.sessions_counted(day):
        day += _ONE_DAY
    counted = DailyCount.objects.using(_alias()).filter(kind=Dimension.SITE, day__gte=begin, day__lt=day)
    return counted.order_by("-day").values_list("day", flat=True).first() or day


def put_right(state: RollupState, first: datetime.date, now: datetime.datetime) -> None:
    """Correct a mark in the future, in the transaction that locks the state; the caller saves the state.

    The days from `first` on are noted for a new count, and the counts of future days are deleted.
    """
    logger.warning(
        "Sessions were marked as counted until %s, which is in the future. The days from %s on are "
        "counted again.",
        state.rolled_until,
        first,
    )
    state.rolled_until = now
    DailyCount.objects.using(_alias()).filter(day__gt=day_of(now)).delete()
    windows = PlayoutWindows.objects.using(_alias())
    windows.filter(begin__gt=now).delete()
    windows.filter(until__gt=now).update(until=now)
    state.recount_from = min(first, state.recount_from or first)


def _alias() -> str:
    return router.db_for_write(RollupState)
