"""A PostgreSQL whose commits may be lost is an error of the checks, and not ready."""

import subprocess
import sys

import pytest
from django.db import connection
from health_check.exceptions import ServiceUnavailable

from jay_sessions import health
from jay_sessions.checks import database
from jay_sessions.database import commits

from ..conftest import store_down
from ..support import servers
from ..support.postgres_server import primary

ALIAS = connection.alias


def said(**options):
    """What both checks say."""
    return [*database.check_synchronous_commit(**options), *database.check_fsync(**options)]


def set_for_the_session(value):
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL synchronous_commit = {value}")


@pytest.fixture
def _postgresql(db):
    if connection.vendor != "postgresql":
        pytest.skip("Only a PostgreSQL has these settings.")


@pytest.mark.usefixtures("_postgresql")
@pytest.mark.parametrize("value", ["on", "local", "remote_write", "remote_apply"])
def test_every_value_that_waits_for_the_disk_is_fine(value):
    set_for_the_session(value)
    assert said(databases=[ALIAS]) == []
    health.SessionStore().run()


@pytest.mark.usefixtures("_postgresql")
def test_a_session_that_waits_for_nothing_is_refused_and_not_ready(caplog, settings):
    set_for_the_session("off")
    [error] = said(databases=[ALIAS])
    assert error.id == "jay_sessions.E104"
    assert "SET synchronous_commit" in error.hint
    with pytest.raises(ServiceUnavailable, match="STORE_NOT_DURABLE"):
        health.SessionStore().run()
    assert "synchronous_commit is off" in caplog.text
    settings.SILENCED_SYSTEM_CHECKS = ["jay_sessions.E104"]
    health.SessionStore().run()


@pytest.mark.usefixtures("_postgresql")
@pytest.mark.parametrize("command", ["migrate", "test"])
def test_who_migrates_or_tests_is_not_kept_from_it(command, monkeypatch):
    set_for_the_session("off")
    monkeypatch.setattr(sys, "argv", ["manage.py", command])
    assert said(databases=[ALIAS]) == []


def test_nothing_is_said_of_another_database_of_none_and_of_an_sqlite(db):
    assert said() == []
    assert said(databases=["another"]) == []
    with store_down():
        assert said(databases=[ALIAS]) == []
    if connection.vendor == "sqlite":
        assert commits.faults(connection) == []


def check(url, options=""):
    """What `check --database default` says with a PostgreSQL and the options of libpq."""
    environment = {**servers.example_site(url), "PGOPTIONS": options}
    command = [sys.executable, "manage.py", "check", "--database", "default"]
    done = subprocess.run(
        command, cwd=servers.ROOT, env=environment, check=False, capture_output=True, text=True, timeout=200
    )
    return done.stdout + done.stderr


@pytest.mark.server
@pytest.mark.durability
@pytest.mark.timeout(600)
def test_the_hint_undoes_it_wherever_it_was_made():
    with primary() as server:
        url = server.new_database()
        name = url.rpartition("/")[2]
        assert "E104" not in check(url)
        for change, undo in [
            (f"ALTER DATABASE {name} SET", f"ALTER DATABASE {name} RESET synchronous_commit;"),
            ("ALTER ROLE tests SET", "ALTER ROLE tests RESET synchronous_commit;"),
            (
                f"ALTER ROLE tests IN DATABASE {name} SET",
                f"ALTER ROLE tests IN DATABASE {name} RESET synchronous_commit;",
            ),
        ]:
            server.run(f"{change} synchronous_commit = off")
            told = check(url)
            assert "jay_sessions.E104" in told
            assert f"Undo it: {undo}" in told
            server.run(undo)
        server.change("synchronous_commit", "off")
        server.change("fsync", "off")
        told = check(url)
        assert "Undo it: ALTER SYSTEM SET synchronous_commit = on; SELECT pg_reload_conf();" in told
        assert "(jay_sessions.E105)" in told
        assert "Undo it: ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();" in told
