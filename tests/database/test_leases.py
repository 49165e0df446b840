"""Requests under ASGI share a few connections: in threads of this process, and over a real server."""

import contextlib
import http.client
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished
from django.db import connection, connections, transaction

from jay_sessions import sessions
from jay_sessions.database import leases, queries
from jay_sessions.database.leases import Purpose
from jay_sessions.exceptions import StoreUnavailable
from jay_sessions.signals import session_ended, session_started

from ..conftest import forget_shared
from ..support import servers

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="Others have no number of connections."),
]


@pytest.fixture(autouse=True)
def _anew(setting):
    setting(RECORDER="group")
    forget_shared()
    yield
    forget_shared()


def pid(again=False):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def by_threads(count, use):
    """What `use` returns, or raises, in each of so many threads that are there at the same time."""

    def call(number):
        with leases.wanted():
            try:
                return use()
            except StoreUnavailable as error:
                return error
            finally:
                own.append(connections["default"].connection)

    own = []
    with ThreadPoolExecutor(count) as threads:
        found = list(threads.map(call, range(count)))
    assert own == [None] * count
    return found


@contextlib.contextmanager
def held(
    count: int, seconds: float | None = None, purpose: Purpose = Purpose.REQUEST
) -> Iterator[Future[list[Any]]]:
    """Let so many threads ask for connections and not give back what they get, until the block ends."""
    release = threading.Event()

    def hold(again):
        release.wait(30)
        return pid()

    def ask():
        return queries.ask("default", hold, seconds=seconds, purpose=purpose)

    with ThreadPoolExecutor(1) as other:
        holding = other.submit(by_threads, count, ask)
        try:
            yield holding
        finally:
            release.set()


@pytest.mark.parametrize(
    ("purpose", "expected"), [(Purpose.REQUEST, 3), (Purpose.ANALYTICS, 2), (Purpose.UNKNOWN_KEY, 2)]
)
def test_threads_take_turns(purpose, expected):
    at_once, lock, most = [], threading.Lock(), 0

    def slow(again):
        nonlocal most
        with lock:
            at_once.append(1)
            most = max(most, len(at_once))
        found = pid()
        threading.Event().wait(0.02)
        with lock:
            at_once.pop()
        return found

    found = by_threads(20, lambda: queries.ask("default", slow, purpose=purpose))
    assert len({*found}) <= expected
    assert most == expected


def test_who_asks_for_long_leaves_room_for_others(setting):
    setting(DATABASE_TIMEOUT=5)
    with held(10, purpose=Purpose.ANALYTICS) as holding:
        assert all(isinstance(one, int) for one in by_threads(10, lambda: queries.ask("default", pid)))
    holding.result(60)


def test_who_waits_in_vain_is_refused(setting):
    setting(DATABASE_TIMEOUT=0.3)
    with held(3, seconds=60) as holding:
        threading.Event().wait(0.5)
        refused = by_threads(3, lambda: queries.ask("default", pid))
        assert all(isinstance(one, StoreUnavailable) for one in refused)
    assert all(isinstance(one, int) for one in holding.result(60))


def test_a_queue_that_is_full_refuses_at_once(monkeypatch):
    monkeypatch.setattr(leases, "QUEUE", 0)
    release = threading.Event()

    def held(again):
        release.wait(0.5)
        return pid()

    found = by_threads(6, lambda: queries.ask("default", held))
    assert sum(isinstance(one, StoreUnavailable) for one in found) == 3


def test_made_up_keys_that_wait_are_not_in_the_way_of_others(monkeypatch):
    monkeypatch.setattr(leases, "QUEUE", 1)

    def brief(again):
        threading.Event().wait(0.3)
        return pid()

    with held(3, purpose=Purpose.UNKNOWN_KEY) as made_up:
        threading.Event().wait(0.5)
        found = by_threads(4, lambda: queries.ask("default", brief))
    made_up.result(60)
    assert all(isinstance(one, int) for one in found)


def test_a_transaction_of_the_callers_keeps_its_connection():
    with leases.wanted(), transaction.atomic():
        assert queries.ask("default", pid) == pid()


def test_without_a_wish_the_threads_own_connection_is_asked():
    assert queries.ask("default", pid) == pid()


def test_a_receiver_that_asks_nothing_opens_none(setting):
    def hear(**kwargs):
        heard.append(kwargs["signal"])

    def started_and_ended():
        return sessions.end([sessions.start("netflix").encoded])

    heard = []
    for signal in (session_started, session_ended):
        signal.connect(hear)
    try:
        # Which says as well that no thread has one of its own.
        assert by_threads(3, started_and_ended) == [1] * 3
    finally:
        for signal in (session_started, session_ended):
            signal.disconnect(hear)
    assert len(heard) == 6


@pytest.mark.parametrize(("sender", "is_open"), [(ASGIHandler, False), (WSGIHandler, True)])
def test_a_thread_of_a_request_under_asgi_leaves_no_connection_behind(sender, is_open, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 60)
    connection.close()
    pid()
    request_finished.send(sender=sender)
    assert (connection.connection is not None) is is_open
    connection.close()


@contextlib.contextmanager
def counted(server: servers.Server) -> Iterator[list[int]]:
    """Give, at the end, how many connections to the site's database there were at the most."""
    most, ended = [0], threading.Event()
    name = server.database_url.rpartition("/")[2]

    def count() -> None:
        with psycopg.connect(server.database_url, autocommit=True) as own:
            while not ended.wait(0.01):
                sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
                most[0] = max(most[0], own.execute(sql, [name]).fetchone()[0])

    with ThreadPoolExecutor(1) as thread:
        counting = thread.submit(count)
        try:
            yield most
        finally:
            ended.set()
            counting.result(30)


def requested(server, method, key, count):
    """The statuses of so many requests, one after the other, by a client of its own."""
    found = []
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as client:
        for _ in range(count):
            client.request(method, "/playouts/netflix:1/tracking/session", headers={"X-API-Key": key})
            answer = client.getresponse()
            answer.read()
            found.append(answer.status)
    return found


@pytest.mark.server
def test_a_process_under_asgi_has_no_more_than_its_connections(tmp_path):
    with servers.running("granian, ASGI", tmp_path, JAY_RECORDER="group") as server:
        made_up = [f"{server.key[:-43]}{number:043d}" for number in range(80)]
        with counted(server) as most, ThreadPoolExecutor(100) as clients:
            found = [clients.submit(requested, server, "POST", key, 3) for key in made_up]
            found += [clients.submit(requested, server, "DELETE", server.key, 20) for _ in range(20)]
            statuses = [status for one in found for status in one.result(120)]
    # Whoever waits for too long is told so; a machine that is busy has such ones.
    assert {*statuses[:240]} <= {401, 503}
    assert {*statuses[240:]} <= {200, 503}
    assert statuses.count(200) > 300
    # Two processes.
    assert most[0] <= 20
