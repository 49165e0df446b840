"""A database that is away or locked, and what is left behind when that is noticed."""

import contextlib
import gc
import sqlite3
import threading
import time

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.db.backends.sqlite3.base import DatabaseWrapper
from psycopg import IsolationLevel

from jay_sessions.database.errors import translating_errors, tried_again, without_waiting
from jay_sessions.exceptions import StoreUnavailable
from jay_sessions.models import ApiKey

pytestmark = pytest.mark.django_db


@pytest.fixture
def connect(tmp_path):
    """Give the calling thread a connection named "busy" to one and the same file; a writer waits for 3 s."""
    options = {"timeout": 3, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"}
    settings = {**connections["default"].settings_dict, "NAME": str(tmp_path / "db"), "OPTIONS": options}

    @contextlib.contextmanager
    def connected():
        connections["busy"] = connection = DatabaseWrapper(settings, "busy")
        try:
            yield connection
        finally:
            connection.close()
            del connections["busy"]

    with connected() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (x)")
    return connected


def test_sqlite_fails_at_once_where_waiting_is_not_wanted(connect, tmp_path):
    writer = sqlite3.connect(tmp_path / "db", isolation_level=None)
    with contextlib.closing(writer), connect() as connection, connection.cursor() as cursor:
        writer.execute("BEGIN IMMEDIATE")
        with without_waiting("busy"):
            assert cursor.execute("PRAGMA busy_timeout").fetchone() == (0,)
            with pytest.raises(OperationalError, match="locked"):
                cursor.execute("INSERT INTO t VALUES (1)")
        assert cursor.execute("PRAGMA busy_timeout").fetchone() == (3000,)


@pytest.fixture
def _no_collection():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def fails_without_waiting():
    with contextlib.suppress(OperationalError), without_waiting("busy"), transaction.atomic("busy"):
        pass


def fails_as_unavailable():
    with connections["busy"].cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 0")
        with contextlib.suppress(StoreUnavailable), translating_errors(), transaction.atomic("busy"):
            pass
        cursor.execute("PRAGMA busy_timeout = 3000")


@pytest.mark.usefixtures("_no_collection")
@pytest.mark.parametrize("fail", [fails_without_waiting, fails_as_unavailable])
def test_who_collects_garbage_in_a_transaction_need_not_wait_for_who_waits_for_it(connect, fail):
    has_failed, written = threading.Event(), []

    def write():
        with connect() as connection, connection.cursor() as cursor:
            fail()
            has_failed.set()
            cursor.execute("INSERT INTO t VALUES (1)")
            written.append(1)

    thread = threading.Thread(target=write)
    with connect(), transaction.atomic("busy"):
        thread.start()
        assert has_failed.wait(10)
        time.sleep(0.3)  # for it to begin to wait
        gc.collect()
    thread.join()
    assert written


@pytest.fixture
def contested(request):
    """A transaction that another one gets in the way of, once or as often as said: how often it has begun."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time.")
    key, _ = ApiKey.objects.issue("nobody's")
    rows, begun = ApiKey.objects.filter(pk=key.pk), []
    times = getattr(request, "param", 1)
    connection.connection.isolation_level = IsolationLevel.SERIALIZABLE

    @tried_again
    def take():
        with transaction.atomic():
            assert rows.exists()
            begun.append(1)
            if len(begun) <= times:
                other = connections.create_connection("default")
                with contextlib.closing(other), other.cursor() as cursor:
                    cursor.execute("UPDATE jay_api_key SET name = 'theirs'")
            rows.update(name="ours")

    yield take, begun
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_was_in_conflict_with_another_one_is_tried_again(contested):
    take, begun = contested
    take()
    assert len(begun) == 2
    assert ApiKey.objects.get().name == "ours"


@pytest.mark.django_db(transaction=True)
def test_a_conflict_inside_a_transaction_of_the_callers_is_the_callers(contested):
    take, begun = contested
    with pytest.raises(OperationalError), transaction.atomic():
        take()
    assert len(begun) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("contested", [1000], indirect=True)
def test_a_transaction_that_is_in_conflict_each_time_is_given_up(contested):
    take, begun = contested
    with pytest.raises(OperationalError, match="could not serialize"):
        take()
    assert len(begun) == 10
    assert ApiKey.objects.get().name == "theirs"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="Speaks of PostgreSQL.")
def test_a_postgresql_is_told_nothing_of_waiting(django_assert_num_queries):
    with django_assert_num_queries(1), without_waiting("default"):
        assert not ApiKey.objects.exists()
