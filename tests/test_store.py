"""A database that is away or locked, and what is left behind when that is noticed."""

import contextlib
import gc
import sqlite3
import threading
import time

import pytest
from django.db import OperationalError, connections, transaction
from django.db.backends.sqlite3.base import DatabaseWrapper

from jay_sessions.exceptions import StoreUnavailable
from jay_sessions.store import available, without_waiting

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
        with contextlib.suppress(StoreUnavailable), available(), transaction.atomic("busy"):
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
