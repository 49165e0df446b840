"""What is asked of a real PostgreSQL that falls silent, is lost or takes no writes any more."""

import asyncio
import contextlib
import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest
from django.core.cache.backends.db import DatabaseCache
from django.core.management import call_command
from django.db import InternalError, OperationalError, connection, connections, transaction

from jay_sessions import sessions
from jay_sessions.api import throttling
from jay_sessions.database import errors, leases, queries, suspects
from jay_sessions.database.connections import SharedConnection
from jay_sessions.database.deadlines import Deadline
from jay_sessions.exceptions import StoreUnavailable
from jay_sessions.models import TrackingSession
from jay_sessions.signals import session_ended
from jay_sessions.store import ended, recorders

from ..conftest import forget_shared
from ..outages.proxy import Proxy
from ..store.test_recorders import row

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="Other databases have no wait without end."),
]

SECONDS = 0.5
PATIENT = 20.0
"""Seconds that a busy machine may take for what takes one."""


@pytest.fixture
def proxy(setting, monkeypatch):
    """A proxy between the site and its PostgreSQL, for each connection that is opened from now on."""
    setting(DATABASE_TIMEOUT=SECONDS)
    settings = connections.settings["default"]
    with Proxy((settings["HOST"], int(settings["PORT"]))) as between:
        for place in (settings, connection.settings_dict):
            monkeypatch.setitem(place, "HOST", "127.0.0.1")
            monkeypatch.setitem(place, "PORT", str(between.port))
        connection.close()
        forget_shared()
        yield between
        between.recover()
        connection.close()
        forget_shared()


def pid(again=False, over=connection):
    with over.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def seconds_of(use):
    began = monotonic()
    use()
    return monotonic() - began


def test_a_silent_connection_is_dropped_and_a_new_one_tried(proxy):
    first, calls = pid(), []
    proxy.silence_open()

    def use(again):
        calls.append(again)
        return pid()

    assert seconds_of(lambda: calls.append(queries.ask("default", use))) < PATIENT
    assert calls[:2] == [False, True]
    assert calls[2] != first


@pytest.mark.parametrize("borrows", [False, True])
def test_what_has_turned_the_failure_into_the_apps_own_is_tried_again_too(proxy, borrows):
    def use(again):
        with errors.translating_errors():
            return pid()

    # Again and again, as what nobody closes is there for the next one, too.
    for _ in range(2):
        with leases.wanted() if borrows else contextlib.nullcontext():
            connection.close()
            first = queries.ask("default", use)
            proxy.silence_open()
            assert queries.ask("default", use) != first


def test_where_all_is_silent_there_is_an_end_too_and_afterwards_all_is_well(proxy):
    pid()
    proxy.silence_all()

    def refused():
        with pytest.raises(StoreUnavailable):
            queries.ask("default", pid)

    assert seconds_of(refused) < PATIENT
    # Not connected by now.
    assert seconds_of(refused) < PATIENT
    proxy.recover()
    assert queries.ask("default", pid)


def test_a_statement_that_takes_too_long_is_given_up(proxy):
    def slow(again):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(60)")

    def refused():
        with pytest.raises(StoreUnavailable):
            queries.ask("default", slow)

    assert seconds_of(refused) < PATIENT
    assert queries.ask("default", pid)


def test_one_that_is_given_up_ends_at_the_server_too(proxy):
    def slow(again):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(60 + 0.0625)")

    def asked():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60 + 0.0625)'"
            )
            return cursor.fetchone()[0]

    with pytest.raises(StoreUnavailable):
        queries.ask("default", slow)
    began = monotonic()
    while asked():
        assert monotonic() - began < PATIENT
        threading.Event().wait(0.1)


def test_what_may_take_longer_may(proxy):
    def slow(again):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_sleep({2 * SECONDS})")
        return again

    assert queries.ask("default", slow, seconds=60) is False


def test_one_that_turns_out_to_be_silent_casts_doubt_on_all_that_were_open(proxy):
    others = [SharedConnection("default") for _ in range(3)]
    before = [other.run(lambda used, again: pid(over=used)) for other in others]
    pid()
    proxy.silence_open()
    queries.ask("default", pid)
    # None of them waits for its own deadline.
    calls = []
    after = [other.run(lambda used, again: calls.append(again) or pid(over=used)) for other in others]
    assert not set(before) & set(after)
    assert calls == [False] * 3
    for other in others:
        other.close()


def test_what_was_opened_since_is_not_doubted(proxy):
    pid()
    proxy.silence_open()
    fresh = queries.ask("default", pid)
    suspects.close_doubted()
    assert pid() == fresh


def test_a_request_begins_without_a_connection_that_is_doubted(proxy):
    pid()
    suspects.doubt(connection)
    suspects.close_doubted()
    assert connection.connection is None


def test_a_transaction_of_the_callers_is_not_tried_again(proxy):
    calls = []

    def use(again):
        calls.append(again)
        return pid()

    @transaction.atomic
    def asked_in_a_transaction():
        pid()
        proxy.silence_open()
        queries.ask("default", use)

    def refused():
        with pytest.raises((StoreUnavailable, OperationalError)):
            asked_in_a_transaction()

    assert seconds_of(refused) < PATIENT
    assert calls == [False]
    assert queries.ask("default", pid)


def test_a_receiver_of_the_sites_may_take_longer(proxy):
    def asked_for_long(session, **kwargs):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_sleep({3 * SECONDS})")
        pids.append(pid())

    first, pids = pid(), []
    started = [sessions.start("netflix").encoded for _ in range(2)]
    session_ended.connect(asked_for_long)
    try:
        assert sessions.end(started) == 2
    finally:
        session_ended.disconnect(asked_for_long)
    assert pids == [first] * 2


def test_what_must_not_be_done_twice_is_not(proxy):
    pid()
    proxy.silence_open()
    calls = []
    with pytest.raises(StoreUnavailable):
        queries.ask_once("default", lambda: calls.append(None) or pid())
    assert calls == [None]
    assert queries.ask_once("default", pid)


def turn_read_only():
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")


def erase(again=False):
    return TrackingSession.objects.filter(pk=uuid.UUID(int=0)).drop()


def test_a_server_that_takes_no_writes_any_more_is_left_at_once(proxy):
    first = pid()
    turn_read_only()
    with pytest.raises(InternalError):
        erase()
    queries.ask("default", erase)
    assert pid() != first


def test_neither_is_it_asked_what_it_has(proxy):
    # It is a standby by now, or cut off from the server in office.
    first, found = pid(), []
    turn_read_only()
    assert queries.ask("default", lambda again: found.append(pid()) or found[-1]) != first
    assert found[0] == first
    assert len(found) == 2


def test_one_that_is_read_only_from_the_start_is_asked_once_and_kept_no_longer(proxy, monkeypatch):
    options = {**connection.settings_dict["OPTIONS"], "options": "-c default_transaction_read_only=on"}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    calls = []
    queries.ask("default", calls.append)
    pids = {queries.ask("default", pid) for _ in range(3)}
    assert calls == [False]
    assert len(pids) == 3
    with pytest.raises(StoreUnavailable):
        queries.ask("default", erase)


class Elsewhere:
    """A router by which nothing is written to the default database."""

    def db_for_write(self, model, **hints):
        return "other"


def test_a_standby_that_is_only_read_from_is_kept(proxy, monkeypatch, settings):
    settings.DATABASE_ROUTERS = [Elsewhere()]
    options = {**connection.settings_dict["OPTIONS"], "options": "-c default_transaction_read_only=on"}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    first = queries.ask("default", pid)
    assert queries.ask("default", pid) == first
    suspects.close_doubted()
    assert pid() == first


@pytest.mark.parametrize("recorder", ["direct", "group"])
@pytest.mark.parametrize("silence", ["silence_open", "turn"])
def test_threads_record_and_look_up(proxy, setting, recorder, silence):
    setting(RECORDER=recorder, DATABASE_TIMEOUT=SECONDS)
    recorders.record(row(1))
    assert not ended.is_ended(row(1).session_id)
    if silence == "turn":
        turn_read_only()
    else:
        proxy.silence_open()
    recorders.record(row(2))
    proxy.silence_open()
    assert not ended.is_ended(row(2).session_id)
    connection.close()
    assert TrackingSession.objects.count() == 2


def test_tasks_record_and_look_up(proxy, setting):
    setting(RECORDER="group", DATABASE_TIMEOUT=SECONDS)

    async def silent_in_between():
        for bits in (1, 2):
            await recorders.arecord(row(bits))
            assert not await ended.ais_ended(row(bits).session_id)
        await asyncio.to_thread(proxy.silence_open)
        # Those that come together lose no more than one.
        async with asyncio.timeout(PATIENT):
            await asyncio.gather(*(recorders.arecord(row(bits)) for bits in range(3, 103)))
        await asyncio.to_thread(proxy.silence_open)
        async with asyncio.timeout(PATIENT):
            assert not await ended.ais_ended(row(3).session_id)
            await recorders.arecord(row(103))

    asyncio.run(silent_in_between())
    forget_shared()
    assert TrackingSession.objects.count() == 103


def test_a_task_leaves_a_server_that_takes_no_writes_any_more(proxy, setting):
    setting(RECORDER="group")

    async def turned_in_between():
        for bits in (1, 2):
            await ended.ais_ended(row(bits).session_id)
        lookup = ended.look_ups.loops.get("default").get().connection
        before = lookup.shared.prepared_connection()
        await lookup.in_thread(lambda shared: shared.run(lambda used, again: set_read_only(used)))
        await ended.ais_ended(row(1).session_id)
        assert lookup.shared.prepared_connection() is not before
        await recorders.arecord(row(1))

    def set_read_only(used):
        used.connection.execute("SET default_transaction_read_only = on")

    asyncio.run(turned_in_between())
    forget_shared()
    assert TrackingSession.objects.count() == 1


@pytest.mark.parametrize("in_a_loop", [False, True])
def test_a_cache_in_the_database_is_not_waited_for_without_end(proxy, setting, settings, in_a_loop):
    def hit():
        return asyncio.run(throttling.ahit_by_key(1)) if in_a_loop else throttling.hit_by_key(1)

    setting(THROTTLE_RATES={"key": "1000/min"}, DATABASE_TIMEOUT=SECONDS)
    settings.CACHES = {"default": {"BACKEND": f"{DatabaseCache.__module__}.DatabaseCache", "LOCATION": "own"}}
    call_command("createcachetable")
    try:
        hit()
        proxy.silence_open()
        assert seconds_of(hit) < PATIENT
        assert hit() is None
    finally:
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE own")


def test_a_deadline_that_was_kept_breaks_nothing(proxy):
    own = connections["default"]
    with Deadline(own, 60), Deadline(own, SECONDS) as deadline:
        first = pid()
    assert not deadline.is_past
    threading.Event().wait(2 * SECONDS)
    assert pid() == first


def test_a_deadline_breaks_off_a_wait_and_nothing_else(proxy):
    # Time for an answer on a busy machine, too.
    own, first, seconds = connections["default"], pid(), 4 * SECONDS
    with Deadline(own, seconds) as deadline:
        threading.Event().wait(2 * seconds)
        assert not deadline.is_past
        assert pid() == first
        with pytest.raises(OperationalError), own.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(60)")
    assert deadline.is_past


def test_a_child_has_a_thread_of_its_own_that_looks_after_its_waits(proxy):
    queries.ask("default", pid)
    connection.close()
    child = os.fork()
    if child == 0:
        try:
            with Deadline(connections["default"], SECONDS), connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(60)")
        except OperationalError:
            os._exit(7)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


@pytest.fixture
def pooled(proxy, monkeypatch):
    """Says how psycopg's pool is to be; its threads' connections are closed in the end."""

    def make(**pool):
        for place in (connections.settings["default"], connection.settings_dict):
            options = {**place["OPTIONS"], "connect_timeout": 2, "pool": pool}
            monkeypatch.setitem(place, "OPTIONS", options)
            monkeypatch.setitem(place, "CONN_MAX_AGE", 0)

    connection.close()
    yield make
    connection.close()
    connection.close_pool()


def pid_in_thread():
    try:
        return queries.ask("default", pid)
    finally:
        connection.close()


def test_a_connection_that_a_pool_has_is_dropped_with_the_pool(proxy, pooled):
    pooled(min_size=2, max_size=4, timeout=5)
    first = pid()
    proxy.silence_open()
    assert queries.ask("default", pid) != first
    connection.close()
    assert seconds_of(lambda: queries.ask("default", pid)) < PATIENT


def test_many_that_drop_a_pool_at_the_same_time_drop_one(proxy, pooled):
    pooled(min_size=1, max_size=8, timeout=5)
    ready = threading.Barrier(9)

    def silent_meanwhile(number):
        pid()
        ready.wait(PATIENT)
        ready.wait(PATIENT)
        pid_in_thread()
        return connection.pool

    with ThreadPoolExecutor(8) as threads:
        asking = threads.map(silent_meanwhile, range(8))
        ready.wait(PATIENT)
        first = connection.pool
        proxy.silence_open()
        ready.wait(PATIENT)
        [made] = {*asking}
    assert made is connection.pool
    assert made is not first


def test_a_pool_that_is_busy_is_waited_for_and_stays(proxy, pooled):
    pooled(min_size=1, max_size=1, timeout=PATIENT)
    first = pid()
    with ThreadPoolExecutor(1) as threads:
        waiting, pool = threads.submit(pid_in_thread), connection.pool
        threading.Event().wait(3 * SECONDS)
        connection.close()
        assert waiting.result(PATIENT) == first
    assert connection.pool is pool


def test_a_pool_that_finds_no_server_is_made_anew(proxy, pooled):
    pooled(min_size=1, max_size=2, timeout=1)
    pid_in_thread()
    pool = connection.pool
    proxy.refuse()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            pid_in_thread()
    proxy.recover()
    assert pid_in_thread()
    assert connection.pool is not pool
