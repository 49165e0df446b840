"""What the checks say of the database that sessions are written to."""

import subprocess
import sys

import pytest
from django.conf import settings as site
from django.core import checks

from ..support import servers
from .test_settings import found

POSTGRESQL = "django.db.backends.postgresql"


@pytest.mark.parametrize("engine", ["django.db.backends.mysql", "django.db.backends.oracle"])
def test_a_database_that_takes_no_session_is_refused_without_a_connection(database, engine):
    database(ENGINE=engine)
    messages = found()
    message = messages["E101"]
    assert isinstance(message, checks.Error)
    assert engine in message.msg
    assert "postgresql" in message.hint
    assert "W101" not in messages


def test_a_wrapper_of_a_database_counts_as_what_it_wraps(database):
    database(ENGINE="tests.support.wrapped_postgresql")
    assert found() == {}


@pytest.mark.parametrize("engine", ["acme.db", "django.db.backends.dummy"])
def test_another_database_is_called_untested(database, engine):
    database(ENGINE=engine)
    message = found()["W101"]
    assert isinstance(message, checks.Warning)
    assert engine in message.msg
    assert "postgresql" in message.hint


@pytest.mark.parametrize("databases", [{}, {"default": {}}], ids=["none", "an empty one"])
def test_a_site_without_a_database_is_told_so(databases, monkeypatch):
    monkeypatch.setattr(site, "DATABASES", databases)
    assert "django.db.backends.dummy" in found()["W101"].msg


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"init_command": "PRAGMA journal_mode=WAL"},
        {"transaction_mode": "IMMEDIATE"},
        {"init_command": "PRAGMA journal_mode=DELETE", "transaction_mode": "IMMEDIATE"},
        {"init_command": "PRAGMA journal_mode=WAL", "transaction_mode": "DEFERRED"},
        {"init_command": None, "transaction_mode": None},
    ],
    ids=["none", "wal_alone", "immediate_alone", "another_journal", "deferred", "nulls"],
)
def test_an_sqlite_that_is_not_set_up_for_writers_is_warned_of(database, options):
    database(ENGINE="django.db.backends.sqlite3", OPTIONS=options)
    message = found()["W102"]
    assert isinstance(message, checks.Warning)
    assert "journal_mode=WAL" in message.hint
    assert "IMMEDIATE" in message.hint


@pytest.mark.parametrize("command", ["PRAGMA journal_mode=WAL", "pragma journal_mode = wal;"])
def test_an_sqlite_that_is_set_up_is_fine(database, command):
    options = {"init_command": command, "transaction_mode": "IMMEDIATE"}
    database(ENGINE="django.db.backends.sqlite3", OPTIONS=options)
    assert found() == {}


def test_postgresql_is_fine(database):
    database(ENGINE="django.db.backends.postgresql", OPTIONS={})
    assert found() == {}


def test_group_with_psycopg_3_is_fine(database, setting):
    database(ENGINE=POSTGRESQL)
    setting(RECORDER="group")
    assert found() == {}


@pytest.mark.usefixtures("_psycopg_2")
def test_group_with_psycopg_2_is_refused(database, setting):
    database(ENGINE=POSTGRESQL)
    setting(RECORDER="group")
    assert "psycopg[binary]" in found()["E102"].hint


@pytest.mark.usefixtures("_psycopg_2")
@pytest.mark.parametrize(
    ("engine", "recorder"),
    [(POSTGRESQL, "direct"), (POSTGRESQL, None), ("django.db.backends.sqlite3", "group")],
)
def test_where_group_is_not_in_use_psycopg_2_is_fine(database, setting, engine, recorder):
    database(ENGINE=engine)
    setting(RECORDER=recorder)
    assert "E102" not in found()


def test_a_database_without_autocommit_is_refused(database):
    database(AUTOCOMMIT=False)
    assert "AUTOCOMMIT" in found()["E103"].hint
    database(AUTOCOMMIT=True)
    assert "E103" not in found()


def manage(tmp_path, *words):
    """Run a command of the example site with an SQLite file of its own; return what it writes."""
    environment = servers.example_site(f"sqlite:///{tmp_path / 'site.sqlite3'}")
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(
        command, cwd=servers.ROOT, env=environment, check=True, capture_output=True, text=True, timeout=100
    )
    return done.stdout + done.stderr


@pytest.mark.once
def test_a_forgotten_migrate_is_told_of_but_not_by_migrate_itself(tmp_path):
    assert "W114" not in manage(tmp_path, "check")
    forgotten = manage(tmp_path, "check", "--database", "default")
    assert "jay_sessions.W114" in forgotten
    assert "Type: python manage.py migrate" in forgotten
    assert "W114" not in manage(tmp_path, "migrate")
    assert "W114" not in manage(tmp_path, "check", "--database", "default")
