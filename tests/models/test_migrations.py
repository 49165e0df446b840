"""Every migration forwards and back, with rows in the tables."""

import datetime
import inspect
from importlib import import_module

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from jay_sessions import sessions
from jay_sessions.models import ApiKey, TrackingSession

from ..conftest import PLAYOUT

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = sorted(name for app, name in MigrationLoader(None).disk_migrations if app == "jay_sessions")


def migrate(name):
    call_command("migrate", "jay_sessions", name, verbosity=0)


def tables():
    return {name for name in connection.introspection.table_names() if name.startswith("jay_")}


@pytest.fixture
def _all_again():
    yield
    migrate(NAMES[-1])


@pytest.mark.usefixtures("_all_again")
@pytest.mark.parametrize("name", NAMES)
def test_each_goes_back_and_forth_with_rows_and_keeps_the_sessions(name):
    key = ApiKey.objects.issue("test")[0]
    started = sessions.start(PLAYOUT, "user-1", api_key=key)
    sessions.end([sessions.start(PLAYOUT).encoded])
    call_command("jay_rollup_sessions", verbosity=0)
    before = tables()
    migrate(name)
    assert tables() <= before
    migrate(NAMES[-1])
    assert tables() == before
    session = TrackingSession.objects.get(session_id=started.token.session_id)
    assert (session.playout_id, session.user_id, session.api_key) == (PLAYOUT, "user-1", key)
    assert TrackingSession.objects.count() == 2
    assert isinstance(session.started_at, datetime.datetime)


@pytest.mark.usefixtures("_all_again")
def test_all_of_them_go_back_and_leave_nothing():
    before = tables()
    sessions.start(PLAYOUT)
    migrate("zero")
    assert not tables()
    migrate(NAMES[-1])
    assert tables() == before
    assert TrackingSession.objects.count() == 0
    sessions.start(PLAYOUT)
    assert TrackingSession.objects.count() == 1


def test_a_migration_names_no_path_that_may_move():
    # What a table does not know (validators, defaults in Python) is left out: see `models/fields.py`.
    for name in NAMES:
        text = inspect.getsource(import_module(f"jay_sessions.migrations.{name}"))
        assert "import jay_sessions" not in text
        assert "from jay_sessions" not in text
