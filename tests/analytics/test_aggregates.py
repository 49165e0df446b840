"""How the database finds what is counted."""

import datetime
import re
import uuid

import pytest
from django.db import connection

from jay_sessions.analytics import aggregates, daily_counts, previous, site_days
from jay_sessions.core.uuid7 import millisecond_of, uuid7
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


def plans_of(look_up):
    """The plans of the queries that a call makes, and its result."""
    plans = []

    def explain(execute, sql, params, many, context):
        with connection.connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {sql}", params)
            plans.append("\n".join(line for (line,) in cursor.fetchall()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        return look_up(), plans


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's plans.")
@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("dimension", aggregates.WITH_USERS)
def test_a_users_other_session_is_found_by_the_users_index_without_statistics(
    without_statistics, dimension, side
):
    wanted = list(TrackingSession.objects.order_by("session_id").values_list("pk", "user_id")[600:4000:100])
    if side == "before":
        _, [plan] = plans_of(lambda: previous.before("default", dimension, wanted))
    else:
        last = uuid.UUID(int=2**128 - 1)
        _, [plan] = plans_of(lambda: previous.after("default", dimension, wanted, last))
    subplan = plan.split("SubPlan ")[1]
    assert re.findall(r"jay_session_\w+", subplan) == ["jay_session_user"], plan


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's plans.")
def test_a_user_of_many_playouts_is_searched_among_the_sessions_of_each(without_statistics):
    TrackingSession.objects.update(user_id="all")
    wanted = list(TrackingSession.objects.order_by("-session_id").values_list("pk", "user_id")[:30])
    found, [plan] = plans_of(lambda: previous.before("default", Dimension.PLAYOUT, wanted))
    assert re.findall(r"jay_session_\w+", plan.split("SubPlan ")[1]) == ["jay_session_playout"], plan
    assert len(found) == 30


def at(row):
    return millisecond_of(row[0])


@pytest.mark.parametrize("dimension", aggregates.WITH_USERS)
@pytest.mark.parametrize("many", [1, 1000])
def test_the_users_session_before_and_after_is_the_nearest(without_statistics, dimension, many, monkeypatch):
    monkeypatch.setattr(previous, "MANY_VALUES", many)
    rows = list(TrackingSession.objects.order_by("session_id").values_list("pk", "user_id"))
    wanted = [rows[0], rows[499], rows[500], rows[4999]]
    before = previous.before("default", dimension, wanted)
    assert before == {rows[500][0]: at(rows[0]), rows[4999][0]: at(rows[4499])}
    LateSession.objects.exclude(pk=rows[999][0]).delete()
    after = previous.after("default", dimension, wanted, rows[1000][0])
    assert after == {rows[0][0]: at(rows[500])}


@pytest.mark.parametrize("dimension", aggregates.WITH_USERS)
def test_users_are_counted_by_the_day_of_their_session_before(without_statistics, dimension):
    day, zone = NOON.date(), site_days.zone()
    rows = daily_counts.rows_of(day, NOON + datetime.timedelta(minutes=1))
    [found] = aggregates.users(rows, dimension, aggregates.day_in(zone), zone)
    # 721 sessions since midnight, by 500 users, all of whom were there the day before.
    assert (found["users"], found["last_day"]) == (500, day - datetime.timedelta(days=1))
