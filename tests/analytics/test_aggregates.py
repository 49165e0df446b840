"""How the database finds what is counted."""

import datetime
import re
import uuid

import pytest
from django.db import connection

from jay_sessions.analytics import aggregates, daily_counts, previous, recent, rows, site_days
from jay_sessions.core.uuid7 import uuid7
from jay_sessions.database import snapshots
from jay_sessions.models import TrackingSession
from jay_sessions.models.rollups import Dimension, LateSession

NOON = datetime.datetime(2025, 10, 24, 12, tzinfo=datetime.UTC)


@pytest.fixture
def without_statistics(db):
    """Sessions of one source, just restored or imported: PostgreSQL has no statistics of them yet."""
    TrackingSession.objects.bulk_create(
        TrackingSession(
            session_id=uuid7(moment, uuid.uuid4().int >> 66),
            started_at=moment,
            playout_id="netflix:1",
            provider_name="netflix",
            user_id=f"user {number % 500}",
            source="here",
        )
        for number in range(5000)
        for moment in [NOON - datetime.timedelta(minutes=number)]
    )


def plans_of(look_up, options="COSTS"):
    """The plans of the queries that a call makes, and its result."""
    plans = []

    def explain(execute, sql, params, many, context):
        with connection.connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN ({options}) {sql}", params)
            plans.append("\n".join(line for (line,) in cursor.fetchall()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        return look_up(), plans


LATEST = uuid.UUID(int=2**128 - 1)


@pytest.fixture
def daily():
    """The numbers of the days of these sessions."""
    changes = daily_counts.Changes({})
    for back in range(5):
        for dimension, name in ((Dimension.PROVIDER, "netflix"), (Dimension.SOURCE, "here")):
            changes.of((NOON - datetime.timedelta(days=back)).toordinal(), dimension, name)
    return changes


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's plans.")
def test_a_users_other_session_is_found_by_the_users_index_without_statistics(without_statistics, daily):
    wanted = rows.read(TrackingSession.objects.all())[600:4000:100]
    _, plans = plans_of(lambda: previous.around("default", wanted, daily, LATEST))
    subplans = [plan.split("SubPlan ")[1] for plan in plans if "SubPlan " in plan]
    assert len(subplans) == 2 * len(aggregates.WITH_USERS)
    for plan in subplans:
        assert re.findall(r"jay_session_\w+", plan) == ["jay_session_user"], plan


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's plans.")
def test_no_more_of_a_users_sessions_are_read_than_are_asked_for(without_statistics):
    TrackingSession.objects.update(user_id="all")
    last = rows.read(TrackingSession.objects.all())[-50:]
    with snapshots.one_state("default", "jay_rollup_state"):
        _, plans = plans_of(lambda: recent.starts("default", of_new_playouts(last)))
    assert len(plans) == len(recent.DEPTHS)
    for plan in plans:
        assert "Index Scan Backward" in plan
        assert "Sort" not in plan
        assert "Bitmap" not in plan


@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="Only there are a user's sessions read at once."
)
def test_each_session_of_a_user_is_read_once_for_all_new_ones(without_statistics):
    TrackingSession.objects.update(user_id="all")
    last = of_new_playouts(rows.read(TrackingSession.objects.all())[-50:])
    options = "ANALYZE, COSTS OFF, TIMING OFF"
    with snapshots.one_state("default", "jay_rollup_state"):
        (_, unknown), plans = plans_of(lambda: recent.starts("default", last), options)
    found = [re.findall(r"Index Scan.* rows=(\d+)\S* loops=(\d+)", plan) for plan in plans]
    assert found == [[("100", "1")], [("1000", "1")], [("3850", "1")]]
    # All of the user's sessions are known then.
    assert unknown == set()


def of_new_playouts(some):
    return [row._replace(playout=f"netflix:{number + 2}") for number, row in enumerate(some)]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's plans.")
def test_a_user_of_many_playouts_is_searched_among_the_sessions_of_each(without_statistics, daily):
    TrackingSession.objects.update(user_id="all")
    wanted = rows.read(TrackingSession.objects.all())[-30:]
    (earlier, _), plans = plans_of(lambda: previous.around("default", wanted, daily, LATEST))
    assert any(re.findall(r"jay_session_\w+", plan) == ["jay_session_playout"] for plan in plans), plans
    assert [near[1] for near in earlier] == [row.start - 60_000 for row in wanted]


@pytest.mark.parametrize("many", [1, 1000])
def test_the_users_session_before_and_after_is_the_nearest(without_statistics, daily, many, monkeypatch):
    monkeypatch.setattr(previous, "MANY", many)
    stored = rows.read(TrackingSession.objects.all())
    LateSession.objects.exclude(pk=stored[999].pk).delete()
    wanted = [stored[number] for number in (0, 499, 500, 4999)]
    earlier, later = previous.around("default", wanted, daily, stored[1000].pk)
    nothing = previous.NOTHING
    assert list(map(tuple, earlier)) == [nothing, nothing, (stored[0].start,) * 4, (stored[4499].start,) * 4]
    assert list(map(tuple, later)) == [(stored[500].start,) * 4, nothing, nothing, nothing]


@pytest.mark.parametrize("many", [2, 1000])
@pytest.mark.parametrize("depths", [(1, 3, 9), (100,)])
def test_the_users_sessions_before_all_sessions_of_a_time_are_the_nearest(
    without_statistics, daily, depths, many, monkeypatch
):
    monkeypatch.setattr(recent, "DEPTHS", depths)
    names = [f"netflix:{number % 7}" for number in range(5000)]
    for number, session in enumerate(TrackingSession.objects.order_by("session_id")):
        session.playout_id, session.user_id = names[number], "all" if number % 3 else "some"
        session.provider_name = None if number == 4990 else f"p{number % 40}"
        session.save()
        daily.of(session.started_at.toordinal(), Dimension.PROVIDER, f"p{number % 40}")
    part = rows.read(TrackingSession.objects.all())[4900:]
    monkeypatch.setattr(previous, "MANY", many)
    found = previous.before("default", part, daily)
    assert list(map(tuple, found)) == nearest_of(part)


def nearest_of(part):
    """The last session of the same user, and with the same value, before each: found by reading all."""
    last, found = {}, {}
    for row in rows.read(TrackingSession.objects.all()):
        keys = [
            (row.user, place, value) for place, value in enumerate(("", *row.names[:3])) if value is not None
        ]
        starts = {place: last.get((row.user, place, value)) for _, place, value in keys}
        found[row.pk] = tuple(starts.get(place) for place in range(4))
        last.update(dict.fromkeys(keys, row.start))
    return [found[row.pk] for row in part]


@pytest.mark.parametrize("dimension", aggregates.WITH_USERS)
def test_users_are_counted_by_the_day_of_their_session_before(without_statistics, dimension):
    day, zone = NOON.date(), site_days.zone()
    counted = daily_counts.rows_of(day, NOON + datetime.timedelta(minutes=1))
    [found] = aggregates.users(counted, dimension, aggregates.day_in(zone), zone)
    # 721 sessions since midnight, by 500 users, all of whom were there the day before.
    assert (found["users"], found["last_day"]) == (500, day - datetime.timedelta(days=1))
