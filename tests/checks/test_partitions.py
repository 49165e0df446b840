"""What the checks say of `PARTITIONS`."""

import datetime

import pytest
from django.conf import settings as site
from django.db import connection

from jay_sessions.checks import partitions as checks
from jay_sessions.store import partitions

from ..support.partitioned import need_postgresql, partitioned
from .test_settings import found

DAY = datetime.timedelta(days=1)


@pytest.fixture
def postgresql(monkeypatch):
    """Let the settings name a PostgreSQL, for the checks alone."""
    monkeypatch.setitem(
        site.DATABASES, "default", {**site.DATABASES["default"], "ENGINE": "django.db.backends.postgresql"}
    )


def test_another_database_has_no_partitions(setting, monkeypatch):
    setting(PARTITIONS="month")
    sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    monkeypatch.setitem(site.DATABASES, "default", sqlite)
    assert 'Remove "PARTITIONS" from JAY_SESSIONS' in found()["E106"].hint


@pytest.mark.usefixtures("postgresql")
@pytest.mark.parametrize(
    ("length", "days", "is_fine"),
    [("day", 56, True), ("day", 57, False), ("week", 390, True), ("week", 395, False), ("month", 1500, True)],
)
def test_a_retention_that_takes_too_many_partitions_is_warned_of(setting, length, days, is_fine):
    setting(PARTITIONS=length, RETENTION=days * DAY, SESSION_LIFETIME=DAY)
    messages = found()
    if is_fine:
        assert messages == {}
    else:
        assert "61 partitions" in messages["W129"].msg
        assert '"PARTITIONS": "month"' in messages["W129"].hint


@pytest.mark.django_db(transaction=True)
def test_a_database_that_differs_from_the_setting_is_told_what_to_do(setting, monkeypatch):
    need_postgresql()

    def said():
        return [
            (message.id, message.hint)
            for check in (checks.check_partitioned, checks.check_number)
            for message in check(databases=[connection.alias])
        ]

    assert said() == []
    setting(PARTITIONS="month")
    hint = "Type: python manage.py jay_partition_sessions; with --attach if the table has rows."
    assert said() == [("jay_sessions.W131", hint)]
    with partitioned():
        assert said() == []
        monkeypatch.setattr(partitions, "MOST", 2)
        [(number, hint)] = said()
        assert (number, hint[:17]) == ("jay_sessions.W130", "Set a RETENTION, ")
        monkeypatch.undo()
        setting(PARTITIONS=None)
        [(number, hint)] = said()
        assert number == "jay_sessions.W131"
        assert 'JAY_SESSIONS = {"PARTITIONS": "month"}' in hint
        assert checks.check_partitioned(databases=["another"]) == []
