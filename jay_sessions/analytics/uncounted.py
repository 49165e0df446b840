"""Searches for sessions that are not counted though their time is, and that have no note.

Each hour's counted sessions are compared with the stored ones once, some minutes after the hour is over. The
last days are compared once a day.
"""

import datetime
import enum
from collections.abc import Iterable

from django.db import router

from ..core.uuid7 import first_id, moment_of
from ..database.errors import tried_again
from ..models import TrackingSession
from ..models.rollups import LateSession, RollupState
from . import daily_counts, rollup_state
from .rows import Row
from .site_days import day_of, start_of

DAYS = 7
"""The number of days before the present one that are compared once a day."""

PATIENCE = datetime.timedelta(minutes=10)
"""How long after its end an hour is compared: so long a commit may take."""

_HOUR = datetime.timedelta(hours=1)
_ONE_DAY = datetime.timedelta(days=1)
_HOUR_MS = 60 * 60 * 1000


class Verdict(enum.Enum):
    """What to do with the late sessions of a day."""

    ADD = enum.auto()
    """All counted sessions of the day are there: add the late ones."""
    RECOUNT = enum.auto()
    """More sessions are there than were counted: count the day anew."""
    KEEP = enum.auto()
    """Counted sessions are gone, so the late ones may be the same as those: keep the numbers."""


def verdict(day: datetime.date, until: datetime.datetime) -> Verdict:
    """Judge a day with late sessions; sessions that started before `until` are counted or have a note."""
    stored, kept = daily_counts.rows_of(day, until).count(), daily_counts.sessions_counted(day)
    counted = _without_late(start_of(day), min(start_of(day + _ONE_DAY), until))
    if counted == kept or (counted < kept and day == day_of(until)):
        return Verdict.ADD
    return Verdict.KEEP if stored < kept else Verdict.RECOUNT


def remember(state: RollupState, rows: Iterable[Row], limit: datetime.datetime) -> None:
    """Remember how many sessions of each hour are counted, unless the hour is over for long at `limit`."""
    first = int((limit - _HOUR - PATIENCE).timestamp()) // 3600
    for row in rows:
        hour = row.start // _HOUR_MS
        if hour >= first or str(hour) in state.hours:
            state.hours[str(hour)] = state.hours.get(str(hour), 0) + 1


def remeasure(state: RollupState, begin: datetime.datetime, end: datetime.datetime) -> None:
    """Take all sessions between two times for counted, except for those with a note: after a recount."""
    for hour in list(state.hours):
        start = datetime.datetime.fromtimestamp(int(hour) * 3600, datetime.UTC)
        if begin - _HOUR < start < end and state.rolled_until is not None:
            state.hours[hour] = _without_late(start, min(start + _HOUR, state.rolled_until))


@tried_again
def look(limit: datetime.datetime) -> None:
    """Compare the hours and days that are due; days with uncounted sessions are marked for a recount."""
    with rollup_state.locked() as state:
        until = state.rolled_until
        if until is None:
            return
        found = {day_of(begin) for begin in _hours(state, until) if _has_uncounted(state, begin)}
        today = day_of(until)
        if state.checked != today:
            days = (today - back * _ONE_DAY for back in range(DAYS, 0, -1))
            found.update(day for day in days if _has_more(day, until))
            state.checked = today
        if found:
            state.recount_from = min({*found, state.recount_from or today})


def _hours(state: RollupState, until: datetime.datetime) -> list[datetime.datetime]:
    """Return the starts of the hours that are due."""
    begins = (datetime.datetime.fromtimestamp(int(hour) * 3600, datetime.UTC) for hour in state.hours)
    return [begin for begin in begins if begin + _HOUR + PATIENCE <= until]


def _has_uncounted(state: RollupState, begin: datetime.datetime) -> bool:
    """Compare an hour, and forget its number."""
    counted: int = state.hours.pop(str(int(begin.timestamp()) // 3600))
    return _without_late(begin, begin + _HOUR) > counted


def _has_more(day: datetime.date, until: datetime.datetime) -> bool:
    counted = daily_counts.sessions_counted(day)
    return _without_late(start_of(day), min(start_of(day + _ONE_DAY), until)) > counted


def _without_late(begin: datetime.datetime, end: datetime.datetime) -> int:
    """Return the number of the stored sessions between two times that have no note."""
    notes = LateSession.objects.using(router.db_for_write(LateSession))
    late = notes.filter(session_id__gte=first_id(begin), session_id__lt=first_id(end)).count()
    return TrackingSession.objects.primary().started_between(begin, end).count() - late


def first_session_from(day: datetime.date) -> datetime.date | None:
    """Return the day of the first session on that day or later; None if there is none."""
    rows = TrackingSession.objects.primary().started_from(start_of(day)).order_by("session_id")
    session_id = rows.values_list("session_id", flat=True).first()
    return None if session_id is None else max(day, day_of(moment_of(session_id)))
