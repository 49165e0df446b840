"""What is counted, against a count in Python of the same rows."""

import collections
import datetime
import zoneinfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from jay_sessions.analytics import rollups, timeseries
from jay_sessions.analytics.buckets import Interval
from jay_sessions.core.uuid7 import uuid7
from jay_sessions.exceptions import InvalidValue, StoreUnavailable
from jay_sessions.models import TrackingSession

from ..conftest import PLAYOUT, store_down
from .test_buckets import ZONES

pytestmark = pytest.mark.django_db

START = datetime.datetime(2025, 10, 24, tzinfo=datetime.UTC)  # before Berlin's and Havana's clocks change
MICROSECOND = datetime.timedelta.resolution
DAY = datetime.timedelta(days=1)


def store(*sessions, playout_id=PLAYOUT):
    """Store sessions, each a pair of start and user id."""
    TrackingSession.objects.all().delete()
    TrackingSession.objects.bulk_create(
        TrackingSession(
            session_id=uuid7(moment, number),
            playout_id=playout_id,
            user_id=user_id,
            started_at=moment,
            source="here",
        )
        for number, (moment, user_id) in enumerate(sessions)
    )


def counted(*args):
    return [(bucket.sessions, bucket.users) for bucket in timeseries.timeseries(PLAYOUT, *args)]


def test_users_are_distinct_and_anonymous_sessions_are_none():
    store(*((START, user) for user in ("a", "a", "b", None, None)))
    assert counted(START, START + DAY, Interval.DAY, datetime.UTC) == [(5, 2)]


def test_a_user_counts_in_each_bucket():
    store((START, "a"), (START + DAY, "a"))
    assert counted(START, START + 2 * DAY, Interval.DAY, datetime.UTC) == [(1, 1), (1, 1)]


def test_buckets_without_sessions_are_there():
    store((START + DAY, None))
    assert counted(START, START + 3 * DAY, Interval.DAY, datetime.UTC) == [(0, 0), (1, 0), (0, 0)]


def test_the_range_is_half_open_and_cuts_its_first_and_last_bucket():
    noon, evening = START + DAY / 2, START + 1.75 * DAY
    store(*((moment, None) for moment in (noon - MICROSECOND, noon, evening - MICROSECOND, evening)))
    buckets = timeseries.timeseries(PLAYOUT, noon, evening, Interval.DAY, datetime.UTC)
    assert [(bucket.start, bucket.sessions) for bucket in buckets] == [(START, 1), (START + DAY, 1)]


def test_another_playout_does_not_count():
    store((START, "a"), playout_id="netflix-de:other")
    assert counted(START, START + DAY, Interval.DAY, datetime.UTC) == [(0, 0)]


def test_an_hour_that_the_clock_shows_twice_is_counted_twice():
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    first = datetime.datetime(2025, 10, 26, 0, 30, tzinfo=datetime.UTC)
    hour = datetime.timedelta(hours=1)
    store((first, "a"), (first + hour, "a"), (first + hour, None))
    buckets = timeseries.timeseries(PLAYOUT, first, first + 1.5 * hour, Interval.HOUR, berlin)
    assert [(bucket.start.isoformat(), bucket.sessions, bucket.users) for bucket in buckets] == [
        ("2025-10-26T02:00:00+02:00", 1, 1),
        ("2025-10-26T02:00:00+01:00", 2, 1),
    ]


def test_the_beginning_of_time_is_no_fault():
    start = datetime.datetime(1950, 1, 1, tzinfo=datetime.UTC)
    assert counted(start, start + DAY, Interval.DAY, datetime.UTC) == [(0, 0)]


@settings(max_examples=60)
@given(
    sessions=st.lists(
        st.tuples(st.integers(-86_400, 6 * 86_400), st.sampled_from(["a", "b", "c", None])), max_size=60
    ),
    cut=st.integers(0, 86_400),
    hours=st.integers(1, 130),
    interval=st.sampled_from(Interval),
    zone=st.sampled_from(ZONES),
)
def test_each_number_is_that_of_a_direct_count(sessions, cut, hours, interval, zone):
    zone = zoneinfo.ZoneInfo(zone)
    rows = [(START + datetime.timedelta(seconds=at), user) for at, user in sessions]
    store(*rows)
    start = START + datetime.timedelta(seconds=cut)
    end = start + datetime.timedelta(hours=hours)
    expected = collections.defaultdict(list)
    for moment, user in rows:
        if start <= moment < end:
            expected[interval.start_of(moment, zone).isoformat()].append(user)
    found = {
        bucket.start.isoformat(): (bucket.sessions, bucket.users)
        for bucket in timeseries.timeseries(PLAYOUT, start, end, interval, zone)
    }
    assert {start: counts for start, counts in found.items() if counts != (0, 0)} == {
        start: (len(users), len(set(users) - {None})) for start, users in expected.items()
    }


def test_ten_thousand_buckets_take_a_hundred_queries():
    store((START, "a"))
    with CaptureQueriesContext(connection) as queries:
        counts = counted(START, START + datetime.timedelta(hours=10_000), Interval.HOUR, datetime.UTC)
    assert (len(queries), len(counts), sum(sessions for sessions, _ in counts)) == (100, 10_000, 1)


def test_whole_days_of_the_sites_zone_come_from_the_rollups_and_are_the_same():
    now = timezone.now()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    store(*((now - hours * DAY / 24, f"user-{hours % 5}") for hours in range(1, 200, 7)))
    args = (today - 6 * DAY, now, Interval.DAY, datetime.UTC)
    live = timeseries.timeseries(PLAYOUT, *args)
    list(rollups.run())
    with CaptureQueriesContext(connection) as queries:
        assert timeseries.timeseries(PLAYOUT, *args) == live
    assert not any("VALUES" in query["sql"] for query in queries)
    assert any("jay_daily_count" in query["sql"] for query in queries)


@pytest.mark.parametrize(
    ("start", "end", "interval", "zone"),
    [
        (0.5, 3, Interval.DAY, "UTC"),
        (0, 2.5, Interval.DAY, "UTC"),
        (0, 3, Interval.HOUR, "UTC"),
        (0, 3, Interval.DAY, "Asia/Kolkata"),
        (0, 400, Interval.DAY, "UTC"),
    ],
)
def test_all_else_is_the_same_whatever_is_rolled_up(time_machine, start, end, interval, zone):
    time_machine.move_to(START + 4 * DAY, tick=False)
    store(*((START + hours * DAY / 24, "a") for hours in range(70)))
    args = (START + start * DAY, START + end * DAY, interval, zoneinfo.ZoneInfo(zone))
    live = timeseries.timeseries(PLAYOUT, *args)
    list(rollups.run())
    assert timeseries.timeseries(PLAYOUT, *args) == live


def test_an_empty_range_is_refused():
    with pytest.raises(InvalidValue):
        counted(START, START, Interval.DAY, datetime.UTC)


def test_a_database_that_is_away_is_said_to_be():
    with store_down(), pytest.raises(StoreUnavailable):
        counted(START, START + DAY, Interval.DAY, datetime.UTC)
