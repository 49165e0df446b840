"""The rollups and the numbers from them, against a count in Python of the same rows."""

import datetime
import io
import threading
import uuid
import zoneinfo

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction
from django.test import override_settings
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from jay_sessions import retention, sessions
from jay_sessions.analytics import rollups, site_days, statistics, timeseries
from jay_sessions.analytics.buckets import Interval
from jay_sessions.analytics.statistics import Filters, Metrics
from jay_sessions.core.uuid7 import uuid7
from jay_sessions.exceptions import StoreUnavailable
from jay_sessions.models import ApiKey, LinkedZephrSession, TrackingSession
from jay_sessions.models.rollups import (
    DailyCount,
    Dimension,
    FetchedZephrSession,
    LateSession,
    PlayoutWindows,
    RollupState,
)

from ..conftest import store_down
from ..support import servers
from ..support.ends import end, forget_sessions

# A snapshot of PostgreSQL does not show what its own transaction did: each end has a transaction of its own.
pytestmark = pytest.mark.django_db(transaction=connection.vendor == "postgresql")

NOON = datetime.datetime(2025, 10, 24, 12, tzinfo=datetime.UTC)
DAY, HOUR = datetime.timedelta(days=1), datetime.timedelta(hours=1)
MINUTE = datetime.timedelta(minutes=1)
TODAY = NOON.date()
PLAYOUTS = {"netflix:1": "netflix", "netflix:2": "netflix", "zdf:1": "zdf", "550e8400": None}


def store(moment=NOON, playout="netflix:1", user="ada", ended=None, source="here"):
    """Store a session; `ended` is how long it took."""
    row = TrackingSession.objects.create(
        session_id=uuid7(moment, uuid.uuid4().int >> 66),
        playout_id=playout,
        provider_name=PLAYOUTS[playout],
        user_id=user,
        source=source,
        started_at=moment,
    )
    end(None if ended is None else moment + ended, row)
    return row


def run(**options):
    """Run; gives how many sessions and ends were counted, and the days that were counted anew."""
    steps = list(rollups.run(**options))
    days = [step.recounted for step in steps if step.recounted is not None]
    return sum(step.sessions for step in steps), sum(step.ends for step in steps), days


def clear():
    forget_sessions()
    for model in (DailyCount, PlayoutWindows, LateSession, FetchedZephrSession, RollupState):
        model.objects.all().delete()


@pytest.fixture
def now(time_machine):
    """Set the clock; it stands still. By default it is late on the day of `NOON`."""

    def move(moment=NOON + 10 * HOUR):
        time_machine.move_to(moment, tick=False)

    move()
    return move


def expected(filters, first, after):
    """The metrics of a period, counted in Python."""
    zone = site_days.zone()
    column = {
        Dimension.PLAYOUT: "playout_id",
        Dimension.PROVIDER: "provider_name",
        Dimension.SOURCE: "source",
    }.get(filters.dimension)
    rows = [
        row
        for row in TrackingSession.objects.order_by("session_id")
        if column is None or getattr(row, column) == filters.name
    ]
    within = [row for row in rows if first <= row.started_at.astimezone(zone).date() < after]
    users = {row.user_id for row in within} - {None}
    earlier = {row.user_id for row in rows if row.started_at.astimezone(zone).date() < first}
    ended = [row.ended_at - row.started_at for row in within if row.ended_at is not None]
    mean = sum(ended, datetime.timedelta()) / len(ended) if ended else None
    return Metrics(len(within), len(users), len(users - earlier), len(ended), mean)


def assert_right(first, after, all_filters=None):
    """That every number of a period is that of the direct count."""
    all_filters = all_filters or [
        Filters(),
        *(Filters(Dimension.PLAYOUT, name) for name in PLAYOUTS),
        *(Filters(Dimension.PROVIDER, name) for name in ("netflix", "zdf", "nobody")),
        Filters(Dimension.SOURCE, "here"),
    ]
    days = [first + number * DAY for number in range((after - first).days)]
    for filters in all_filters:
        assert statistics.total(filters, first, after) == expected(filters, first, after)
        assert statistics.by_day(filters, first, after) == [expected(filters, day, day + DAY) for day in days]
        weeks = [expected(filters, day, min(day + 7 * DAY, after)) for day in days[::7]]
        assert statistics.by_week(filters, first, after) == weeks
    for dimension in Dimension:
        for name, metrics in statistics.breakdown(dimension, first, after):
            assert metrics == expected(Filters(dimension, name), first, after)


def test_a_day_is_counted_by_site_playout_provider_and_source(now):
    store(ended=HOUR)
    store(playout="netflix:2")
    store(user=None, playout="550e8400")
    assert run() == (3, 0, [])
    counted = {(row.kind, row.name): row.sessions for row in DailyCount.objects.all()}
    assert counted == {
        ("site", ""): 3,
        ("playout", "netflix:1"): 1,
        ("playout", "netflix:2"): 1,
        ("playout", "550e8400"): 1,
        ("provider", "netflix"): 2,
        ("source", "here"): 3,
    }
    assert_right(TODAY, TODAY + DAY)


def test_users_are_distinct_over_days_playouts_and_providers(now):
    for back in (0, 1, 1, 3):
        store(NOON - back * DAY)
        store(NOON - back * DAY, playout="netflix:2")
        store(NOON - back * DAY, playout="zdf:1", user=f"user-{back}")
    run()
    assert statistics.total(Filters(), TODAY - 3 * DAY, TODAY + DAY).users == 4
    for back in range(5):
        assert_right(TODAY - back * DAY, TODAY + DAY)
        assert_right(TODAY - back * DAY, TODAY)


def test_who_was_there_before_is_not_new(now):
    store(NOON - 40 * DAY)
    store()
    store(user="bob")
    run()
    metrics = statistics.total(Filters(), TODAY, TODAY + DAY)
    assert (metrics.users, metrics.new_users, metrics.returning_users) == (2, 1, 1)


def test_what_is_not_rolled_up_yet_is_counted_live(now):
    store(NOON - DAY)
    store(NOON - 2 * HOUR)
    assert_right(TODAY - DAY, TODAY + DAY)
    run()
    now(NOON + 11 * HOUR)
    store(NOON + 10 * HOUR)
    store(NOON + 10 * HOUR, user="bob")
    store(NOON + 10 * HOUR, user=None)
    for first in (TODAY - DAY, TODAY):
        assert_right(first, TODAY + DAY)
    now(NOON + 4 * DAY)
    store(NOON + 3 * DAY)
    assert_right(TODAY - DAY, TODAY + 5 * DAY)


def test_what_has_just_come_is_left_for_the_next_run(now):
    store(NOON + 10 * HOUR - datetime.timedelta(seconds=1))
    run()
    assert not DailyCount.objects.exists()
    assert statistics.rolled_up_until() == timezone.now() - rollups.SETTLE
    assert_right(TODAY, TODAY + DAY)


def test_a_second_run_changes_nothing(now):
    store(NOON - DAY, ended=HOUR)
    store()
    run()
    before = list(DailyCount.objects.values_list("kind", "name", "day", "sessions", "ended").order_by("pk"))
    assert run() == (0, 0, [])
    after = list(DailyCount.objects.values_list("kind", "name", "day", "sessions", "ended").order_by("pk"))
    assert sorted(before) == sorted(after)
    assert_right(TODAY - DAY, TODAY + DAY)


@pytest.mark.parametrize("later", [datetime.timedelta(), HOUR, DAY, 40 * DAY])
def test_an_end_is_added_to_the_day_on_which_its_session_began(now, later):
    token = sessions.start("netflix:1", "ada").encoded
    now(NOON + 11 * HOUR)
    run()
    now(NOON + 11 * HOUR + later)
    sessions.end([token])
    assert statistics.total(Filters(), TODAY, TODAY + DAY).ended == 0
    assert run() == (0, 1, [])
    assert statistics.total(Filters(), TODAY, TODAY + DAY).ended == 1
    assert run() == (0, 0, [])
    assert_right(TODAY, TODAY + 2 * DAY)


def test_an_end_before_its_session_is_counted_counts_with_it(now):
    now(NOON)
    sessions.end([sessions.start("netflix:1", "ada").encoded])
    run()
    now(NOON + HOUR)
    assert run() == (1, 0, [])
    assert_right(TODAY, TODAY + DAY)


def test_ends_of_sessions_that_were_purged_before_they_were_counted_are_none(now):
    row = store(NOON)
    run()
    TrackingSession.objects.all().drop()
    end(NOON + HOUR, row)
    store(NOON + HOUR)
    assert run() == (1, 0, [])


@pytest.mark.parametrize("part", ["daily_counts.Changes.store", "windows.Changes.store"])
def test_a_run_that_is_cut_off_counts_nothing_twice(now, monkeypatch, part):
    token = sessions.start("netflix:1", "ada").encoded
    now(NOON + 11 * HOUR)
    run()
    sessions.end([token])
    store(NOON + 10.5 * HOUR)
    store(NOON - 3 * DAY)

    def stop(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as cut_off:
        cut_off.setattr(f"jay_sessions.analytics.{part}", stop)
        with pytest.raises(KeyboardInterrupt):
            run()
    assert statistics.total(Filters(), TODAY, TODAY + DAY).ended == 0
    assert run() == (2, 1, [])
    assert_right(TODAY - 4 * DAY, TODAY + DAY)


COUNT_BESIDE_A_WRITER = """
import datetime, sqlite3, threading
from django.db import connection, transaction
from jay_sessions import sessions
from jay_sessions.analytics import previous, rollups

for number in range(7):
    sessions.start(f"netflix:{number}", "ada")
rollups.SETTLE *= -1
rollups.step_size = lambda alias: 2
before, written, threads = previous.before, [], []

def write():
    writer = sqlite3.connect(connection.settings_dict["NAME"], timeout=30)
    writer.execute("INSERT INTO jay_erased_user VALUES ('ada', '2026-01-01')")
    writer.commit()
    written.append(True)

def beside(*args):
    if not threads:
        threads.append(threading.Thread(target=write))
        threads[0].start()
    return before(*args)

previous.before = beside
counted = [step.sessions for step in rollups.run()]
threads[0].join()
print(sum(counted), max(counted) < 7, len(written))
"""


@pytest.mark.once
def test_with_sqlite_others_wait_for_one_step_at_most(tmp_path):
    environment = servers.example_site(f"sqlite:///{tmp_path / 'db'}")
    servers.manage(environment, "migrate", "--verbosity", "0")
    said = servers.manage(environment, "shell", "-v0", "-c", COUNT_BESIDE_A_WRITER)
    assert said == "7 True 1"


def test_a_late_session_is_counted_and_so_is_what_it_changes(now):
    for back in (0, 2, 5):
        store(NOON - back * DAY)
    run()
    store(NOON - 4 * DAY, user="bob")
    store(NOON - 4 * DAY)
    store(NOON - 3 * DAY, playout="zdf:1", user="bob")
    assert run() == (3, 0, [])
    assert_right(TODAY - 5 * DAY, TODAY + DAY)
    assert not LateSession.objects.exists()


def test_late_sessions_are_counted_in_bounded_steps(now, monkeypatch):
    monkeypatch.setattr(rollups, "_BATCH", 2)
    for back in (0, 2, 3, 5):
        store(NOON - back * DAY)
        store(NOON - back * DAY, user=f"user-{back % 2}")
    run()
    for hours in range(0, 50, 7):
        store(NOON - 4 * DAY + hours * HOUR, user=f"user-{hours % 3}")
    steps = rollups.run()
    assert next(steps).sessions == 2
    steps.close()
    assert run() == (6, 0, [])
    assert_right(TODAY - 5 * DAY, TODAY + DAY)
    assert not LateSession.objects.exists()


def test_a_session_that_is_late_by_months_is_counted_by_the_next_run(now):
    store()
    run()
    store(NOON - 60 * DAY)
    assert run() == (1, 0, [])
    assert_right(TODAY - 61 * DAY, TODAY + DAY)


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_the_size_of_steps_changes_no_number(now, monkeypatch, size):
    monkeypatch.setattr(rollups, "step_size", lambda alias: size)
    for number in range(12):
        # Two of them at the same time.
        store(NOON - (number // 2) * 7 * HOUR, user=f"user-{number % 3}", ended=HOUR if number % 2 else None)
    assert run() == (12, 0, [])
    assert_right(TODAY - 5 * DAY, TODAY + DAY)


def unnoted(row):
    """Let a session be stored as by raw SQL, or by an outage: nothing is noted."""
    LateSession.objects.filter(pk=row.pk).delete()


def test_a_late_session_without_a_note_is_found_once_its_hour_is_over(now):
    store(NOON, user="bob")
    store(NOON + 9.99 * HOUR - MINUTE)
    run()
    unnoted(store(NOON + 9.5 * HOUR))
    unnoted(store(NOON + 9.5 * HOUR, user="bob"))
    assert run() == (0, 0, [])
    now(NOON + 11.5 * HOUR)
    assert run() == (0, 0, [TODAY])
    assert_right(TODAY, TODAY + DAY)
    assert run() == (0, 0, [])


def test_late_sessions_of_the_last_week_without_a_note_are_found_once_a_day(now):
    for back in (0, 2, 5, 9):
        store(NOON - back * DAY)
    run()
    unnoted(store(NOON - 5 * DAY, user="bob"))
    unnoted(store(NOON - 9 * DAY, user="bob"))
    assert run() == (0, 0, [])
    now(NOON + DAY)
    assert run() == (0, 0, [TODAY - back * DAY for back in (5, 2, 0)])
    assert run() == (0, 0, [])
    assert statistics.total(Filters(), TODAY - 6 * DAY, TODAY + DAY).sessions == 4


def test_sessions_of_a_day_that_come_back_are_counted_once_they_are_all_there(now):
    rows = [store(NOON - 3 * DAY, user=user) for user in ("ada", "bob")]
    store()
    run()
    TrackingSession.objects.filter(pk__in=[row.pk for row in rows]).drop()
    rows[0].save(force_insert=True)
    run()
    assert statistics.total(Filters(), TODAY - 3 * DAY, TODAY).sessions == 2
    rows[1]._state.adding = rows[0]._state.adding = True
    rows[1].save(force_insert=True)
    store(NOON - 3 * DAY, user="eve")
    assert run() == (0, 0, [TODAY - 3 * DAY, TODAY])
    assert_right(TODAY - 3 * DAY, TODAY + DAY)
    assert run() == (0, 0, [])


def test_on_another_cluster_all_ends_are_counted_anew(now):
    store(NOON - 3 * DAY, ended=HOUR)
    store()
    run()
    RollupState.objects.update(server="where the backup was made")
    assert run() == (0, 0, [TODAY - 3 * DAY, TODAY])
    assert_right(TODAY - 3 * DAY, TODAY + DAY)
    assert run() == (0, 0, [])


def test_after_a_recount_an_hour_has_no_uncounted_session(now):
    store(NOON + 9.9 * HOUR)
    run()
    assert run(rebuild=True) == (0, 0, [TODAY])
    store(NOON + 9.99 * HOUR)
    now(NOON + 11.5 * HOUR)
    assert run() == (1, 0, [])
    assert_right(TODAY, TODAY + DAY)


def test_a_time_that_a_clock_shows_again_belongs_to_the_day_that_has_begun(settings):
    settings.TIME_ZONE = "America/St_Johns"
    # At one minute past midnight the clock went back to 23:01.
    begin = datetime.datetime(2010, 11, 7, 2, 30, tzinfo=datetime.UTC)
    days = site_days.Days()
    numbers = [days.number(int((begin + minutes * MINUTE).timestamp() * 1000)) for minutes in (-1, 0, 30, 90)]
    seventh = datetime.date(2010, 11, 7).toordinal()
    assert numbers == [seventh - 1, seventh, seventh, seventh]


def test_a_transaction_that_commits_late_is_counted(now):
    now(NOON)
    with transaction.atomic():
        sessions.start("netflix:1", "ada")
    now(NOON + HOUR)
    with transaction.atomic():
        started = sessions.start("netflix:1", "bob")
        assert LateSession.objects.filter(pk=started.token.session_id).exists()
    now(NOON + 2 * HOUR)
    assert run() == (2, 0, [])
    assert not LateSession.objects.exists()


def test_playouts_beyond_the_limit_are_counted_together(now, setting):
    setting(MAX_DAILY_PLAYOUTS=2)
    for number, playout in enumerate(("netflix:1", "netflix:2", "zdf:1", "netflix:1")):
        store(NOON - HOUR + number * MINUTE, playout=playout, ended=MINUTE)
    run()
    late = store(NOON, playout="zdf:1", user="eve")
    store(NOON, playout="netflix:2", user="eve")
    run()
    end(NOON + HOUR, late)
    run()
    counted = {row.name: (row.sessions, row.ended) for row in DailyCount.objects.filter(kind="playout")}
    assert counted == {"netflix:1": (2, 2), "netflix:2": (2, 1), "": (2, 2)}
    assert set(PlayoutWindows.objects.values_list("playout_id", flat=True)) == {"netflix:1", "netflix:2"}
    assert statistics.total(Filters(), TODAY, TODAY + DAY).sessions == 6
    # What has no windows is counted live.
    buckets = timeseries.timeseries("zdf:1", NOON - 2 * HOUR, NOON + HOUR, Interval.HOUR, datetime.UTC)
    assert [(bucket.sessions, bucket.users) for bucket in buckets] == [(0, 0), (1, 1), (1, 1)]
    assert run(rebuild=True) == (0, 0, [TODAY])
    again = {row.name: (row.sessions, row.ended) for row in DailyCount.objects.filter(kind="playout")}
    assert again == counted


def test_each_key_has_its_own_limit(now, setting, issue_key):
    setting(MAX_DAILY_PLAYOUTS=1)
    issue_key("greedy")
    issue_key("modest")
    greedy, modest = ApiKey.objects.order_by("name")
    for number, (key, playout) in enumerate(
        ((greedy, "netflix:1"), (greedy, "netflix:2"), (modest, "zdf:1"))
    ):
        row = store(NOON + number * MINUTE, playout=playout)
        TrackingSession.objects.filter(pk=row.pk).update(api_key=key)
    run()
    names = DailyCount.objects.filter(kind="playout").values_list("name", flat=True)
    assert set(names) == {"netflix:1", "zdf:1", ""}


def test_days_without_sessions_cost_nothing(now, django_assert_max_num_queries):
    store(NOON - 3000 * DAY)
    store()
    with django_assert_max_num_queries(120):
        assert run() == (2, 0, [])
    with django_assert_max_num_queries(60):
        assert run() == (0, 0, [])


def returning(first, after):
    return [
        (metrics.users, metrics.new_users)
        for days in (1, 7, 30)
        for metrics in [statistics.total(Filters(), after - days * DAY, after)]
    ] + [
        (m.users, m.new_users)
        for m in statistics.by_day(Filters(Dimension.PLAYOUT, "netflix:1"), first, after)
    ]


def test_who_returned_after_days_that_are_gone_is_not_new_after_a_recount(now):
    for back in (20, 10, 6, 3, 0):
        store(NOON - back * DAY)
        store(NOON - back * DAY, user=f"user-{back}")
    store(NOON - 20 * DAY, user="bob")
    store(NOON - 5 * DAY, user="bob")
    run()
    before = returning(TODAY - 25 * DAY, TODAY + DAY)
    TrackingSession.objects.filter(started_at__lt=NOON - 7 * DAY).delete()
    run(rebuild=True)
    assert returning(TODAY - 25 * DAY, TODAY + DAY) == before
    # One who is late changes what she changes, and nothing else.
    store(NOON - 4 * DAY, user="late")
    run()
    totals = [statistics.total(Filters(), TODAY - days * DAY, TODAY + DAY) for days in (4, 30)]
    assert [(total.users, total.new_users) for total in totals] == [(4, 3), (8, 8)]


def test_days_without_sessions_between_two_with_are_passed_over(now):
    store(NOON - 400 * DAY)
    store()
    assert run() == (2, 0, [])
    assert_right(TODAY - 3 * DAY, TODAY + DAY)
    assert_right(TODAY - 401 * DAY, TODAY - 390 * DAY)


def test_a_site_without_sessions_has_nothing_to_count(now):
    assert run() == (0, 0, [])
    assert statistics.total(Filters(), TODAY, TODAY + DAY) == Metrics()
    assert statistics.breakdown(Dimension.PLAYOUT, TODAY, TODAY + DAY) == []


def test_a_rebuild_keeps_the_days_of_which_sessions_are_gone(now):
    for back in (0, 1, 2, 2):
        store(NOON - back * DAY)
    run()
    first = TrackingSession.objects.order_by("session_id").first()
    first.delete()
    TrackingSession.objects.filter(started_at__date=TODAY - DAY).delete()
    run(rebuild=True)
    assert [m.sessions for m in statistics.by_day(Filters(), TODAY - 2 * DAY, TODAY + DAY)] == [2, 1, 1]


def test_erasing_a_user_leaves_the_numbers_and_no_trace_of_who_it_was(now):
    store(NOON - DAY, user="ada")
    run()
    TrackingSession.objects.all().delete()
    assert statistics.total(Filters(), TODAY - DAY, TODAY).users == 1
    for model in (DailyCount, PlayoutWindows):
        assert "ada" not in str(list(model.objects.values()))


def test_another_time_zone_counts_everything_anew(now, settings):
    store(NOON + 8 * HOUR)
    run()
    settings.TIME_ZONE = "Pacific/Kiritimati"
    assert statistics.rolled_up_until() is None
    assert_right(TODAY, TODAY + 2 * DAY)
    run()
    assert {row.day for row in DailyCount.objects.all()} == {TODAY + DAY}
    assert_right(TODAY, TODAY + 2 * DAY)


def test_another_time_zone_leaves_the_days_whose_sessions_are_gone(now, settings):
    store(NOON - 9 * DAY)
    store()
    run()
    TrackingSession.objects.filter(started_at__lt=NOON - DAY).delete()
    settings.TIME_ZONE = "Europe/Berlin"
    run()
    numbers = statistics.by_day(Filters(), TODAY - 9 * DAY, TODAY + DAY)
    assert [metrics.sessions for metrics in numbers] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]


def test_days_are_those_of_the_site_over_a_daylight_saving_change(now, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    change = datetime.datetime(2025, 10, 26, tzinfo=berlin)
    for hours in (-0.5, 0.5, 2.5, 3.5, 24.5, 25.5):
        store(change.astimezone(datetime.UTC) + hours * HOUR, user=f"user-{hours}")
    now(NOON + 5 * DAY)
    run()
    found = statistics.by_day(Filters(), datetime.date(2025, 10, 25), datetime.date(2025, 10, 28))
    assert [metrics.sessions for metrics in found] == [1, 4, 1]
    assert_right(datetime.date(2025, 10, 25), datetime.date(2025, 10, 28))


@pytest.mark.parametrize(
    ("zone", "move"),
    [
        ("Africa/Cairo", "2025-04-24T22:00Z"),  # jumps over midnight
        ("Asia/Beirut", "2025-03-29T22:00Z"),
        ("America/Asuncion", "2024-10-06T04:00Z"),
        ("America/Havana", "2024-11-03T05:00Z"),  # shows midnight twice
        ("Australia/Lord_Howe", "2025-10-04T15:30Z"),
        ("Pacific/Apia", "2011-12-30T10:00Z"),  # leaves a day out
    ],
)
def test_days_are_those_that_the_clock_of_the_site_shows_where_it_jumps(
    zone, move, now, settings, admin_client
):
    settings.TIME_ZONE = zone
    moment = datetime.datetime.fromisoformat(move)
    for seconds in (-100_000, -5000, -1800, -0.000001, 0, 1800, 5000, 100_000):
        store(moment + datetime.timedelta(seconds=seconds), user=f"user-{seconds % 3}")
    first = site_days.day_of(moment) - 4 * DAY
    now(moment + 4 * DAY)
    assert_right(first, first + 8 * DAY)
    run()
    assert_right(first, first + 8 * DAY)
    page = admin_client.get("/admin/jay_sessions/trackingsession/dashboard/?period=7-days")
    assert page.status_code == 200
    for back in range(8):
        days = (first + back * DAY).isoformat()
        found = admin_client.get(f"/admin/jay_sessions/trackingsession/?from={days}&to={days}")
        [metrics] = statistics.by_day(Filters(), first + back * DAY, first + (back + 1) * DAY)
        assert len(found.context["cl"].result_list) == metrics.sessions


def test_linked_sessions_are_counted_by_device_and_country_as_soon_as_zephr_was_asked(now):
    rows = [store(NOON - back * DAY) for back in (0, 1, 1)]
    TrackingSession.objects.filter(pk__in=[row.pk for row in rows]).update(zephr_session="phone")
    store()
    run()
    assert statistics.breakdown(Dimension.DEVICE, TODAY - DAY, TODAY + DAY) == []
    LinkedZephrSession.objects.create(
        pk="phone", claimed_at=NOON, fetched_at=NOON, device="mobile", country="DE"
    )
    FetchedZephrSession.objects.create(pk="phone")
    run()
    assert not FetchedZephrSession.objects.exists()
    assert statistics.breakdown(Dimension.DEVICE, TODAY - DAY, TODAY + DAY) == [
        ("mobile", Metrics(sessions=3))
    ]
    assert statistics.breakdown(Dimension.COUNTRY, TODAY, TODAY + DAY) == [("DE", Metrics(sessions=1))]
    assert statistics.by_day(Filters(Dimension.COUNTRY, "DE"), TODAY - DAY, TODAY) == [Metrics(sessions=2)]
    assert statistics.total(Filters(Dimension.COUNTRY, "FR"), TODAY - DAY, TODAY) == Metrics()


def test_an_end_and_a_fetch_between_two_runs_count_once_each(now):
    for name, ago in (("phone", 2), ("tablet", 1)):
        row = store(NOON - ago * HOUR)
        TrackingSession.objects.filter(pk=row.pk).update(zephr_session=name)
        fetched = NOON if name == "phone" else None
        device = "mobile" if name == "phone" else None
        LinkedZephrSession.objects.create(pk=name, claimed_at=NOON, fetched_at=fetched, device=device)
    run()
    LinkedZephrSession.objects.filter(pk="tablet").update(fetched_at=NOON, device="mobile")
    FetchedZephrSession.objects.create(pk="tablet")
    end(NOON, row)
    assert run() == (0, 1, [])
    [counted] = DailyCount.objects.filter(kind=Dimension.DEVICE)
    assert (counted.sessions, counted.ended, counted.ended_duration) == (2, 1, HOUR)


def test_the_top_is_sorted_and_bounded(now):
    for playout, count in (("zdf:1", 3), ("netflix:1", 2), ("netflix:2", 2), ("550e8400", 1)):
        for _ in range(count):
            store(playout=playout)
    run()
    names = [name for name, _ in statistics.breakdown(Dimension.PLAYOUT, TODAY, TODAY + DAY, limit=3)]
    assert names == ["zdf:1", "netflix:1", "netflix:2"]
    assert [name for name, _ in statistics.breakdown(Dimension.PROVIDER, TODAY, TODAY + DAY)] == [
        "netflix",
        "zdf",
    ]


moments = st.integers(-6 * 24 * 60, 10 * 60 - 2).map(
    lambda minutes: NOON + datetime.timedelta(minutes=minutes)
)
visits = st.tuples(
    moments,
    st.sampled_from(list(PLAYOUTS)),
    st.sampled_from(["ada", "bob", "cyd", None]),
    st.none() | st.integers(0, 7200).map(lambda seconds: datetime.timedelta(seconds=seconds)),
)


# Forty histories take a busy machine longer than one test may.
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("now")
@settings(max_examples=40)
@given(
    early=st.lists(visits, max_size=12),
    late=st.lists(visits, max_size=6),
    runs=st.sampled_from([(), ("early",), ("early", "late"), ("late",)]),
    zone=st.sampled_from(["UTC", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe"]),
    period=st.tuples(st.integers(0, 7), st.integers(1, 8)) | st.just((7, 9)),
)
def test_each_number_is_that_of_a_direct_count(early, late, runs, zone, period):
    first, length = period
    with override_settings(TIME_ZONE=zone):
        clear()
        for visit in early:
            store(*visit)
        if "early" in runs:
            run()
        for visit in late:
            store(*visit)
        # What is late by days is counted from the next run on.
        if late:
            run()
        start = TODAY - first * DAY
        assert_right(start, start + length * DAY)


@pytest.mark.parametrize("function", [statistics.by_day, statistics.total])
def test_a_database_that_is_away_is_said_to_be(function):
    with store_down(), pytest.raises(StoreUnavailable):
        function(Filters(), TODAY, TODAY + DAY)


def test_the_number_of_queries_is_the_same_for_any_period(now, django_assert_num_queries):
    for back in range(5):
        store(NOON - back * DAY)
    run()
    for length in (1, 5, 300):
        with django_assert_num_queries(5):
            statistics.by_day(Filters(), TODAY - length * DAY, TODAY + DAY)
        with django_assert_num_queries(3):
            statistics.total(Filters(), TODAY - length * DAY, TODAY)
        with django_assert_num_queries(4):
            statistics.breakdown(Dimension.PLAYOUT, TODAY - length * DAY, TODAY)


def command(**options):
    out = io.StringIO()
    call_command("jay_rollup_sessions", stdout=out, stderr=io.StringIO(), **options)
    return out.getvalue().strip()


def test_the_command_says_how_much_it_counted(now):
    store(NOON - 2 * DAY)
    assert command() == "1 session and 0 later ends counted."
    assert command() == "0 sessions and 0 later ends counted."
    assert command(rebuild=True) == "0 sessions and 0 later ends counted, 1 day counted anew."


def test_the_command_says_that_the_database_is_away():
    with store_down(), pytest.raises(CommandError, match="The database is unavailable"):
        command()


def test_two_runs_at_the_same_time_count_nothing_twice():
    if connection.vendor == "sqlite":
        pytest.skip("An SQLite in memory is not shared with another connection.")
    now = timezone.now()
    for hours in range(0, 240, 5):
        store(now - (hours + 1) * HOUR, user=f"user-{hours % 4}", ended=HOUR)
    failures = []

    def work():
        try:
            run()
            run(rebuild=True)
        except Exception as error:
            failures.append(error)
            raise
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    today = site_days.day_of(now)
    assert_right(today - 11 * DAY, today + DAY)
    assert DailyCount.objects.filter(kind=Dimension.SITE).count() == len(
        {site_days.day_of(row.started_at) for row in TrackingSession.objects.all()}
    )
    hours = ("netflix:1", now - 10 * DAY, now, Interval.HOUR, zoneinfo.ZoneInfo("Asia/Kathmandu"))
    kept = timeseries.timeseries(*hours)
    PlayoutWindows.objects.all().delete()
    assert kept == timeseries.timeseries(*hours)


AHEAD = 10 * DAY


def counted_ahead(now, moment=NOON):
    """Let a run count with a clock that is ten days ahead, and the clock be right again."""
    now(moment + AHEAD)
    run()
    now(moment)


def test_a_mark_beyond_now_is_not_believed(now):
    store()
    counted_ahead(now, NOON + HOUR)
    store(NOON + 2 * HOUR, user="eve")
    now(NOON + 3 * HOUR)
    assert statistics.rolled_up_until() is None
    assert statistics.total(Filters(), TODAY, TODAY + DAY).sessions == 2
    buckets = timeseries.timeseries(
        "netflix:1", NOON, NOON + 3 * HOUR, Interval.HOUR, zoneinfo.ZoneInfo("UTC")
    )
    assert [bucket.sessions for bucket in buckets] == [1, 0, 1]


@pytest.mark.parametrize("rebuild", [False, True])
def test_the_next_run_counts_anew_what_was_counted_too_early_and_says_so(now, caplog, capsys, rebuild):
    store(ended=HOUR)
    counted_ahead(now, NOON + 2 * HOUR)
    # The same day and the days since, but not the present one alone.
    for day in range(9):
        store(NOON + 3 * HOUR + day * DAY, user=f"user {day}")
    now(NOON + 8 * DAY + 4 * HOUR)
    call_command("jay_rollup_sessions", *(["--rebuild"] if rebuild else []))
    assert "in the future" in capsys.readouterr().err
    assert f"The days from {TODAY} on are counted again" in caplog.text
    assert statistics.rolled_up_until() == NOON + 8 * DAY + 4 * HOUR - rollups.SETTLE
    assert (
        DailyCount.objects.filter(kind=Dimension.SITE).order_by("day").values_list("sessions", flat=True)[0]
        == 2
    )
    for_all = statistics.total(Filters(), TODAY, TODAY + 9 * DAY)
    assert for_all == expected(Filters(), TODAY, TODAY + 9 * DAY)
    assert not PlayoutWindows.objects.filter(until__gt=timezone.now()).exists()
    caplog.clear()
    run()
    assert "in the future" not in caplog.text + capsys.readouterr().err


def test_a_day_to_come_that_was_counted_is_forgotten_until_it_is_there(now):
    store()
    # By a host that is ahead; it counts with its day.
    store(NOON + 5 * DAY, user="eve")
    counted_ahead(now, NOON + HOUR)
    run()
    assert list(DailyCount.objects.filter(kind=Dimension.SITE).values_list("day", flat=True)) == [TODAY]
    assert statistics.total(Filters(), TODAY, TODAY + 6 * DAY).sessions == 2
    now(NOON + 6 * DAY)
    run()
    assert statistics.total(Filters(), TODAY, TODAY + 6 * DAY).sessions == 2


def test_nothing_is_purged_by_a_mark_beyond_now(now, setting):
    setting(RETENTION=5 * DAY, SESSION_LIFETIME=DAY)
    store(NOON - 6 * DAY)
    counted_ahead(now, NOON)
    assert retention.purge_limit() is None
    run()
    assert retention.purge_limit() == NOON - 5 * DAY - HOUR
