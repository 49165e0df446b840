"""Hours and days of any zone from what is kept, against a count in Python of the same rows."""

import collections
import datetime
import itertools
import uuid
import zoneinfo

import pytest
from django.db import connection
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from jay_sessions.analytics import rollups, timeseries
from jay_sessions.analytics.buckets import Interval
from jay_sessions.core.uuid7 import uuid7
from jay_sessions.models import TrackingSession
from jay_sessions.models.rollups import DailyCount, LateSession, PlayoutWindows, RollupState

from ..conftest import PLAYOUT
from ..support.ends import forget_sessions
from .test_buckets import ZONES

pytestmark = pytest.mark.django_db

NOON = datetime.datetime(2025, 10, 24, 12, tzinfo=datetime.UTC)
HOUR, DAY = Interval.HOUR.step, Interval.DAY.step
KATHMANDU = zoneinfo.ZoneInfo("Asia/Kathmandu")
NEW_YORK = zoneinfo.ZoneInfo("America/New_York")
LORD_HOWE = zoneinfo.ZoneInfo("Australia/Lord_Howe")
MIDNIGHT = datetime.datetime(2025, 10, 23, 18, 15, tzinfo=datetime.UTC)
"""That begins the 24th in Kathmandu."""


def store(*sessions, playout_id=PLAYOUT):
    """Store sessions, each a pair of start and user id."""
    TrackingSession.objects.bulk_create(
        TrackingSession(
            session_id=uuid7(moment, uuid.uuid4().int >> 66),
            playout_id=playout_id,
            user_id=user_id,
            started_at=moment,
            source="here",
        )
        for moment, user_id in sessions
    )


def run(**options):
    return list(rollups.run(**options))


@pytest.fixture
def now(time_machine):
    """Set the clock, and bring the rollups up to date; by default, at eleven in the night after `NOON`."""

    def move(moment=NOON + 11 * HOUR, **options):
        time_machine.move_to(moment, tick=False)
        return run(**options)

    time_machine.move_to(NOON, tick=False)
    return move


def counted(start, end, interval=Interval.DAY, zone=KATHMANDU):
    return [
        (bucket.sessions, bucket.users)
        for bucket in timeseries.timeseries(PLAYOUT, start, end, interval, zone)
    ]


def expected(start, end, interval, zone):
    users = collections.defaultdict(list)
    for row in TrackingSession.objects.filter(playout_id=PLAYOUT):
        if start <= row.started_at < end:
            users[interval.start_of(row.started_at, zone).isoformat()].append(row.user_id)
    return {start: (len(found), len(set(found) - {None})) for start, found in users.items()}


def assert_right(start, end, interval, zone):
    """That each number is that of the direct count."""
    found = {
        bucket.start.isoformat(): (bucket.sessions, bucket.users)
        for bucket in timeseries.timeseries(PLAYOUT, start, end, interval, zone)
    }
    assert {start: counts for start, counts in found.items() if counts != (0, 0)} == expected(
        start, end, interval, zone
    )


CHANGES = [
    datetime.datetime(2025, month, day, tzinfo=datetime.UTC)
    # Before a change of the clocks of Europe and Antarctica, of America, and of Lord Howe and Chatham.
    for month, day in ((10, 24), (3, 28), (10, 31), (3, 7), (10, 3), (4, 4))
]
users = st.sampled_from(["a", "b", "c", None])


def visits(first, last):
    """Lists of sessions, as seconds from a beginning on, and user ids."""
    return st.lists(st.tuples(st.integers(first * 3600, last * 3600 - 1), users), max_size=30)


@settings(max_examples=80)
@given(
    begin=st.sampled_from(CHANGES),
    # Those that come in time, those that come late, and those that come after the last run but one.
    sessions=st.tuples(visits(0, 72), visits(0, 90), visits(90, 110)),
    runs=st.sampled_from([(72, 90), (90,), (72, 80, 90), (90, 95), (72, 90, 109)]),
    asked=st.tuples(
        st.integers(0, 86_400 * 2) | st.integers(0, 200).map(lambda quarters: quarters * 900),
        st.integers(1, 120),
        st.sampled_from(Interval),
        st.sampled_from(ZONES).map(zoneinfo.ZoneInfo),
    ),
    site=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Havana"]),
)
def test_each_number_is_that_of_a_direct_count(time_machine, begin, sessions, runs, asked, site):  # noqa: PLR0917
    waiting = [(hour, visit) for hour, some in zip((0, 81, 90), sessions, strict=True) for visit in some]
    cut, hours, interval, zone = asked
    forget_sessions()
    for model in (DailyCount, PlayoutWindows, LateSession, RollupState):
        model.objects.all().delete()
    with override_settings(TIME_ZONE=site):
        for hour in (*runs, 110):
            time_machine.move_to(begin + hour * HOUR, tick=False)
            here = [(since, visit) for since, visit in waiting if since <= hour and visit[0] < hour * 3600]
            waiting = [one for one in waiting if one not in here]
            store(*((begin + datetime.timedelta(seconds=seconds), user) for _, (seconds, user) in here))
            if hour in runs:
                run()
        assert not waiting
        start = begin + datetime.timedelta(seconds=cut)
        assert_right(start, start + hours * HOUR, interval, zone)


@pytest.mark.parametrize("interval", Interval)
def test_what_is_kept_is_read_by_one_query_whatever_the_zone(now, django_assert_num_queries, interval):
    store(*((NOON - 9 * HOUR * number, f"user-{number % 3}") for number in range(30)))
    end = MIDNIGHT - DAY
    for zone in (KATHMANDU, NEW_YORK):
        begin = interval.start_of(end - 8 * DAY, zone)
        live = counted(begin, interval.start_of(end, zone), interval, zone)
        now()
        with django_assert_num_queries(1):
            assert counted(begin, interval.start_of(end, zone), interval, zone) == live
        PlayoutWindows.objects.all().delete()
        RollupState.objects.all().delete()


def test_the_present_day_takes_one_more_query(now, django_assert_num_queries):
    store((NOON - DAY, "a"), (NOON, "a"), (NOON + HOUR, "b"))
    now(NOON + 2 * HOUR)
    store((NOON + 2 * HOUR, "a"), (NOON + 2 * HOUR, "c"))
    for end in (NOON + 3 * HOUR, MIDNIGHT + DAY):
        with django_assert_num_queries(2):
            assert counted(MIDNIGHT - DAY, end) == [(1, 1), (4, 3)]


def test_who_came_back_since_the_last_run_counts_once(now):
    store((NOON - DAY, "a"), (NOON, "b"), (NOON, None))
    now(NOON + HOUR)
    store((NOON + 2 * HOUR, "a"), (NOON + 2 * HOUR, "b"), (NOON + 2 * HOUR, "c"), (NOON + 2 * HOUR, "c"))
    assert counted(MIDNIGHT - DAY, MIDNIGHT + DAY) == [(1, 1), (6, 3)]


def test_what_began_before_a_bucket_and_since_the_last_run_is_none_of_it(now):
    store((NOON, "a"))
    now(NOON + HOUR)
    store((NOON + 1.5 * HOUR, "a"), (NOON + 2.5 * HOUR, "a"), (NOON + 2.5 * HOUR, "b"))
    assert counted(NOON, NOON + 3 * HOUR, Interval.HOUR, datetime.UTC) == [(1, 1), (1, 1), (2, 2)]


def test_a_day_that_a_clock_makes_longer_is_counted_to_its_end(now):
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    begin = datetime.datetime(2025, 10, 26, tzinfo=berlin).astimezone(datetime.UTC)
    store((begin, "a"), (begin + 23.5 * HOUR, "b"), (begin + 24.5 * HOUR, "a"), (begin + 24.5 * HOUR, "c"))
    now(begin + 3 * DAY)
    assert counted(begin, begin + 25 * HOUR, zone=berlin) == [(4, 3)]


def test_half_an_hour_of_daylight_saving_moves_what_is_kept(now):
    change = datetime.datetime(2025, 4, 5, 15, tzinfo=datetime.UTC)
    store(*((change + number * DAY / 96, f"user-{number % 4}") for number in range(-60, 60)))
    now(change + 3 * DAY)
    for interval in Interval:
        assert_right(change - DAY, change + DAY, interval, LORD_HOWE)
        with override_settings(TIME_ZONE="Australia/Lord_Howe"):
            run()
            assert_right(change - DAY, change + DAY, interval, KATHMANDU)


def test_each_playout_has_its_own(now):
    store((NOON, "a"))
    store((NOON, "a"), (NOON, "b"), playout_id="netflix-de:other")
    now()
    assert counted(NOON, NOON + HOUR, Interval.HOUR, datetime.UTC) == [(1, 1)]


def test_a_late_session_is_counted_and_so_is_the_day_before_it_which_reaches_to_it(now):
    late = MIDNIGHT - 3 * DAY
    store((late + HOUR, "a"), (NOON, "a"))
    now(NOON + HOUR)
    store((late, "a"), (late + 12 * HOUR, "a"), (late + 12 * HOUR, "b"))
    assert counted(late, late + DAY) == [(1, 1)]
    now(NOON + 2 * HOUR)
    assert counted(late, late + DAY) == [(4, 2)]
    assert_right(NOON - 6 * DAY, NOON + DAY, Interval.HOUR, KATHMANDU)


def test_a_run_that_is_cut_off_leaves_numbers_that_are_right(now):
    store((NOON - 5 * DAY, "a"), (NOON - 4 * DAY, "a"), (NOON, "a"))
    now(NOON + HOUR)
    store((NOON - 5 * DAY, "b"), (NOON - 5 * DAY, "c"))
    next(rollups.run())
    for interval in Interval:
        assert_right(NOON - 7 * DAY, NOON, interval, KATHMANDU)


def test_a_run_in_between_changes_nothing(now):
    store((NOON, "a"), (NOON, "b"))
    now(NOON + HOUR)
    store((NOON + 2 * HOUR, "a"), (NOON + 2 * HOUR, "c"))
    runs = []

    def run_before_live(execute, sql, params, many, context):
        if sql.startswith("WITH bucket") and not runs:
            runs.append(now(NOON + 3 * HOUR))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(run_before_live):
        assert counted(MIDNIGHT, MIDNIGHT + DAY) == [(4, 3)]
    assert len(runs) == 1
    assert counted(MIDNIGHT, MIDNIGHT + DAY) == [(4, 3)]


def test_what_is_removed_stays_in_the_numbers(now):
    store((MIDNIGHT - 3 * DAY, "a"), (MIDNIGHT - 3 * DAY + HOUR, "b"), (NOON, "c"))
    now()
    TrackingSession.objects.filter(started_at__lt=NOON).delete()
    assert counted(MIDNIGHT - 3 * DAY, MIDNIGHT - 2 * DAY) == [(2, 2)]
    run()
    run(rebuild=True)
    assert counted(MIDNIGHT - 3 * DAY, MIDNIGHT - 2 * DAY) == [(2, 2)]
    assert counted(MIDNIGHT - 3 * DAY, MIDNIGHT - 2 * DAY, Interval.HOUR)[:3] == [(1, 1), (1, 1), (0, 0)]


def test_a_day_of_which_sessions_are_gone_is_continued(now, django_assert_num_queries):
    evening, morning = MIDNIGHT + HOUR, MIDNIGHT + 10 * HOUR
    store((evening, "gone"), (evening, "a"), (morning, "a"), (morning, "b"))
    now(NOON - 6 * HOUR)
    TrackingSession.objects.filter(user_id="gone").delete()
    store((NOON, "a"), (NOON, "c"))
    now(NOON + HOUR)
    assert counted(MIDNIGHT, NOON + HOUR) == [(6, 4)]
    store((NOON + 2 * HOUR, "d"), (NOON + 2 * HOUR, "c"))
    now(NOON + 8 * HOUR)
    with django_assert_num_queries(1):
        assert counted(MIDNIGHT, MIDNIGHT + DAY) == [(8, 5)]


def test_a_rebuild_counts_what_was_late_by_months(now):
    store((NOON, "a"))
    now()
    store((NOON - 60 * DAY, "a"), (NOON - 60 * DAY + HOUR, "b"))
    run(rebuild=True)
    TrackingSession.objects.filter(started_at__lt=NOON).delete()
    assert counted(MIDNIGHT - 60 * DAY, MIDNIGHT - 59 * DAY) == [(2, 2)]


def test_another_time_zone_of_the_site_changes_no_number(now, settings):
    store(*((NOON - 5 * HOUR * number, f"user-{number % 3}") for number in range(25)))
    now(NOON + HOUR)
    for zone in ("Pacific/Kiritimati", "Pacific/Honolulu", "Australia/Lord_Howe", "UTC"):
        settings.TIME_ZONE = zone
        for _ in range(3):
            for interval, asked in itertools.product(Interval, (KATHMANDU, NEW_YORK)):
                assert_right(NOON - 8 * DAY, NOON + HOUR, interval, asked)
            run()
            # Late ones, which what was kept in the zone before does not count.
            store(*((NOON - 5 * DAY + hours * HOUR, zone) for hours in range(-6, 80, 7)))
            run()


def test_another_time_zone_of_the_site_leaves_what_is_gone(now, settings):
    store((NOON - 9 * DAY, "a"), (NOON, "a"))
    now()
    TrackingSession.objects.filter(started_at__lt=NOON).delete()
    settings.TIME_ZONE = "Pacific/Kiritimati"
    run()
    assert counted(MIDNIGHT - 9 * DAY, MIDNIGHT - 8 * DAY) == [(1, 1)]
    assert_right(MIDNIGHT, MIDNIGHT + DAY, Interval.DAY, KATHMANDU)


def test_so_many_playouts_that_they_take_several_batches(now):
    for number in range(1100):
        store((NOON, "a"), playout_id=f"zdf-de:{number}")
    now()
    assert PlayoutWindows.objects.filter(begin=NOON - 12 * HOUR).count() == 1100
