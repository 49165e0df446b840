"""How the database finds what is counted."""

import datetime
import re
import uuid

import pytest
from django.db import connection

from jay_sessions.analytics import aggregates, day_rollups, site_days
from jay_sessions.core.uuid7 import uuid7
from jay_sessions.models import TrackingSession

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


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's plans.")
@pytest.mark.parametrize("dimension", aggregates.WITH_USERS)
def test_a_users_session_before_is_found_by_the_users_index_without_statistics(without_statistics, dimension):
    day = NOON.date()
    rows = day_rollups.rows_of(day, NOON + datetime.timedelta(minutes=1))
    plan = aggregates.users(rows, dimension, day_rollups._always(day), site_days.zone()).explain()
    _, *subplans = plan.split("SubPlan ")[-3:]
    for subplan in subplans:
        assert re.findall(r"jay_session_\w+", subplan) == ["jay_session_user"], plan


@pytest.mark.parametrize("dimension", aggregates.WITH_USERS)
def test_users_are_counted_by_the_day_of_their_session_before(without_statistics, dimension):
    day = NOON.date()
    rows = day_rollups.rows_of(day, NOON + datetime.timedelta(minutes=1))
    [found] = aggregates.users(rows, dimension, day_rollups._always(day), site_days.zone())
    # 721 sessions since midnight, by 500 users, all of whom were there the day before.
    assert (found["users"], found["last_day"]) == (500, day - datetime.timedelta(days=1))
