"""The time that hosts share is the database's, as a value and inside a statement."""

import datetime

import pytest
from django.db import connection
from django.utils import timezone

from jay_sessions.database import clock
from jay_sessions.models import ErasedUser

from ..conftest import store_down

pytestmark = pytest.mark.django_db

ALIAS = connection.alias
HOUR = datetime.timedelta(hours=1)


def test_a_value_is_in_utc_and_an_expression_says_the_same():
    before = clock.now(ALIAS)
    assert before.utcoffset() == datetime.timedelta()
    assert abs(before - timezone.now()) < HOUR
    ErasedUser.objects.create(digest="one", erased_at=before)
    rows = ErasedUser.objects.filter(erased_at__lte=clock.DatabaseNow())
    assert rows.filter(erased_at__gt=clock.DatabaseNow() - HOUR).exists()
    ErasedUser.objects.update(erased_at=clock.DatabaseNow() + HOUR)
    assert not rows.exists()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="An SQLite has the time of its host.")
def test_the_time_of_a_postgresql_is_not_the_host_s(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC))
    assert clock.now(ALIAS).year > 2020


def test_a_database_that_is_away_has_none():
    with store_down(), pytest.raises(Exception, match="connection"):
        clock.now(ALIAS)
