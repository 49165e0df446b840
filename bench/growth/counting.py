"""Rolls up: from nothing, and with some new sessions on a day. Writes numbers for large tables."""

import datetime
import io
import statistics
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from bench.analytics.measure import timed

from . import filling
from .filling import Span

NEW = 1000
ROUNDS = 5
_SLICE = datetime.timedelta(minutes=5)
_NEWEST = datetime.timedelta(hours=1)
_ONE_DAY = datetime.timedelta(days=1)
_DAYS = 365


def roll_up() -> float:
    """Run `jay_rollup_sessions`, and return its seconds."""
    nowhere = io.StringIO()
    return timed(lambda: call_command("jay_rollup_sessions", stdout=nowhere, stderr=nowhere))


def from_nothing(rows: int) -> float:
    """Roll up all sessions, and return the seconds."""
    seconds = roll_up()
    _check(rows)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE jay_daily_count, jay_playout_windows")
    return seconds


def today(rows: int, now: datetime.datetime) -> Span:
    """Return the sessions of this day until an hour ago."""
    return Span(rows, _start_of(now.astimezone(timezone.get_default_timezone()).date()), now - _NEWEST)


def with_new_ones(rows: int, now: datetime.datetime) -> float:
    """Roll up the sessions of `today`, then 1,000 new ones, again and again.

    Returns the median of the seconds of a run, once warm. New ones are some minutes old, because a run leaves
    the last minute to the next one. So the state goes back to the time before they came.
    """
    from_nothing(rows)
    found = []
    for number in range(ROUNDS + 1):
        begin = now - _NEWEST + (number + 1) * _SLICE
        filling.add(Span(NEW, begin, begin + _SLICE))
        _go_back(begin)
        found.append(roll_up())
        rows += NEW
        _check(rows)
    return statistics.median(found[1:])


def _go_back(begin: datetime.datetime) -> None:
    from jay_sessions.models.rollups import RollupState

    with connection.cursor() as cursor:
        cursor.execute("UPDATE jay_rollup_state SET rolled_until = %s", [begin])
        if any(field.name == "hours" for field in RollupState._meta.fields):
            # Else the run would find an hour with more sessions than were counted, and count its day anew.
            cursor.execute(_HOURS, [begin.replace(minute=0, second=0, microsecond=0) - _NEWEST, begin])


_HOURS = """
UPDATE jay_rollup_state SET hours = (
    SELECT COALESCE(jsonb_object_agg(hour, sessions), '{}') FROM (
        SELECT floor(extract(epoch FROM started_at) / 3600)::bigint AS hour, count(*) AS sessions
        FROM jay_tracking_session WHERE started_at >= %s AND started_at < %s GROUP BY 1
    ) AS counted
)
"""


def _check(rows: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(sessions) FROM jay_daily_count WHERE kind = 'site'")
        [counted] = cursor.fetchone()
    assert counted == rows, f"{counted} of {rows} sessions are counted."


def write(now: datetime.datetime) -> None:
    """Write the numbers of a year without counting them.

    `jay_rollup_sessions` counts yesterday and today. Each day before gets copies of yesterday's rows. So
    there are at least as many rows as if every day had been counted, and their lists are at least as long: no
    day has more sessions, or more days before it. Only the numbers in them are not right.
    """
    from jay_sessions.models.rollups import RollupState

    zone = timezone.get_default_timezone()
    day = now.astimezone(zone).date()
    yesterday = _start_of(day - _ONE_DAY)
    # Checked: else the run would find that the days before are not counted, and count them.
    RollupState.objects.create(pk=1, zone=str(zone), rolled_until=yesterday, checked=day)
    roll_up()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM jay_playout_windows WHERE begin < %s", [yesterday])
        given: dict[str, Any] = {"days": _DAYS - 1, "day": day - _ONE_DAY, "begin": yesterday}
        cursor.execute(_COUNTS, given)
        cursor.execute(_WINDOWS, given)
        cursor.execute("VACUUM ANALYZE jay_daily_count, jay_playout_windows")


_COUNTS = """
INSERT INTO jay_daily_count (kind, name, day, sessions, ended, ended_duration, users)
SELECT kind, name, day - back, sessions, ended, ended_duration, users
FROM jay_daily_count, generate_series(1, %(days)s) AS back WHERE day = %(day)s
"""

_WINDOWS = """
INSERT INTO jay_playout_windows (playout_id, begin, until, counts)
SELECT playout_id, begin - back * interval '24 hours', until - back * interval '24 hours', counts
FROM jay_playout_windows, generate_series(1, %(days)s) AS back WHERE begin = %(begin)s
"""


def _start_of(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(), timezone.get_default_timezone())
