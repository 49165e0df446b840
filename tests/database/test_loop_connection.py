"""Statements that an event loop awaits, over a connection to a real PostgreSQL."""

import asyncio
import contextlib
import time

import pytest
import uvloop
from django.db import connection, connections

from jay_sessions.database.connections import PerLoop, PerProcess, SharedConnection
from jay_sessions.database.loop_connection import LoopConnection, NotAnswered
from jay_sessions.database.prepared import Planned, plans
from jay_sessions.store.statements import ended_query, insert_all, insert_query

from ..store.test_recorders import row

pytestmark = pytest.mark.django_db(transaction=True)

on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="Speaks of PostgreSQL.")

ONE = Planned("SELECT $1::text, NULL, 2", ["ü"])
FOUND = [("ü", None, 2)]
PID = Planned("SELECT pg_backend_pid()", [])


def opened(shared):
    """Open the connection, as its first use in a thread does."""
    return shared.run(lambda connection, again: plans(connection))


def with_connection(test, loop_factory=None):
    """Run a test with a connection that is open, in an event loop."""

    async def run():
        used = LoopConnection("default")
        try:
            await used.in_thread(opened)
            async with asyncio.timeout(30):
                return await test(used)
        finally:
            used.shared.drop()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(run())


loops = pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])


def terminate(pid):
    with connections.create_connection("default").cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        cursor.connection.close()


async def pid_of(used):
    [(pid,)] = await used.rows(PID)
    return pid


@on_postgresql
@loops
def test_rows_come_by_a_statement_that_is_planned_once(loop_factory):
    async def twice(used):
        assert [await used.rows(ONE), await used.rows(ONE)] == [FOUND, FOUND]
        assert await used.rows(Planned("SELECT 1 WHERE false", [])) == []
        assert await used.rows(Planned("SELECT count(*) FROM pg_prepared_statements", [])) == [(3,)]

    with_connection(twice, loop_factory)


@on_postgresql
def test_the_event_loop_goes_on_meanwhile():
    async def both(used):
        asked = asyncio.create_task(used.rows(Planned("SELECT pg_sleep(0.2)", [])))
        turns = 0
        while not asked.done():
            turns += 1
            await asyncio.sleep(0.01)
        assert turns > 5

    with_connection(both)


@on_postgresql
@loops
def test_what_is_more_than_a_socket_takes_at_once_is_sent_and_read_whole(loop_factory):
    async def much(used):
        text = "x" * 20_000_000
        assert await used.rows(Planned("SELECT $1::text", [text])) == [(text,)]

    with_connection(much, loop_factory)


@on_postgresql
@pytest.mark.parametrize("sql", ["SELECT 1/0", "SELECT nonsense", "SELECT $1::int"])
def test_what_the_server_refuses_is_not_done(sql):
    async def refused(used):
        with pytest.raises(NotAnswered) as caught:
            await used.rows(Planned(sql, ["no number"] if "$1" in sql else []))
        assert not caught.value.may_be_done
        await used.in_thread(opened)
        assert await used.rows(ONE) == FOUND

    with_connection(refused)


@on_postgresql
def test_a_server_that_has_forgotten_what_it_planned_plans_it_again():
    async def forgotten(used):
        assert await used.rows(ONE)
        # Where psycopg does not see it.
        assert await used.rows(Planned("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$", [])) == []
        with pytest.raises(NotAnswered):
            await used.rows(ONE)
        await used.in_thread(opened)
        assert await used.rows(ONE)

    with_connection(forgotten)


@on_postgresql
@loops
def test_a_connection_that_is_lost_while_it_sleeps_is_opened_anew_by_a_thread(loop_factory):
    async def lost(used):
        pid = await pid_of(used)
        await asyncio.to_thread(terminate, pid)
        with pytest.raises(NotAnswered):
            await used.rows(ONE)
        with pytest.raises(NotAnswered) as caught:
            await used.rows(ONE)
        assert not caught.value.may_be_done
        await used.in_thread(opened)
        assert await pid_of(used) != pid
        assert await used.rows(ONE) == FOUND

    with_connection(lost, loop_factory)


@on_postgresql
@loops
def test_what_was_under_way_when_the_connection_was_lost_may_be_done(loop_factory):
    async def lost(used):
        pid = await pid_of(used)
        asked = asyncio.create_task(used.rows(Planned("SELECT pg_sleep(30)", [])))
        await asyncio.sleep(0.2)
        await asyncio.to_thread(terminate, pid)
        with pytest.raises(NotAnswered) as caught:
            await asked
        assert caught.value.may_be_done

    with_connection(lost, loop_factory)


@on_postgresql
@loops
def test_nobody_gets_the_answer_to_what_was_given_up(loop_factory):
    async def given_up(used):
        pid = await pid_of(used)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(used.rows(Planned("SELECT pg_sleep(0.3)", [])), 0.05)
        with pytest.raises(NotAnswered):
            await used.rows(ONE)
        await used.in_thread(opened)
        assert await used.rows(ONE) == FOUND
        assert await pid_of(used) != pid

    with_connection(given_up, loop_factory)


@on_postgresql
@loops
def test_a_server_that_does_not_answer_in_time_is_given_up_and_doubted(setting, loop_factory):
    setting(DATABASE_TIMEOUT=0.3)

    async def silent(used):
        pid, other = await pid_of(used), LoopConnection("default")
        await other.in_thread(opened)
        began = time.monotonic()
        with pytest.raises(NotAnswered) as caught:
            await used.rows(Planned("SELECT pg_sleep(30)", []))
        assert caught.value.may_be_done
        assert 0.2 < time.monotonic() - began < 5
        with pytest.raises(NotAnswered) as caught:
            await other.rows(ONE)
        assert not caught.value.may_be_done
        other.shared.drop()
        await used.in_thread(opened)
        assert await pid_of(used) != pid

    with_connection(silent, loop_factory)


@on_postgresql
@loops
def test_a_server_that_takes_no_writes_any_more_is_left(loop_factory):
    async def read_only(used):
        pid = await pid_of(used)
        with pytest.raises(NotAnswered) as caught:
            await used.rows(Planned("SET default_transaction_read_only = on", []))
        assert caught.value.may_be_done
        await used.in_thread(opened)
        assert await pid_of(used) != pid

    with_connection(read_only, loop_factory)


@on_postgresql
def test_what_a_thread_has_planned_is_not_in_the_way():
    planned = row()

    async def both(used):
        await used.in_thread(
            lambda shared: shared.run(lambda connection, _: insert_all(connection, [planned]))
        )
        assert await used.rows(insert_query([row(2)])) == []
        assert await used.rows(ended_query([planned.session_id])) == []

    with_connection(both)


@on_postgresql
def test_a_loop_that_cannot_wait_for_a_socket_leaves_it_to_a_thread(monkeypatch):
    # As Windows' own loop does.
    def cannot(*args):
        raise NotImplementedError

    async def other(used):
        monkeypatch.setattr(asyncio.get_running_loop(), "add_reader", cannot)
        with pytest.raises(NotAnswered):
            await used.rows(ONE)

    with_connection(other)


@on_postgresql
@pytest.mark.parametrize(
    ("setting", "value", "is_used"),
    [
        ("CONN_MAX_AGE", 1000, True),
        ("CONN_MAX_AGE", -1, False),
        ("DISABLE_SERVER_SIDE_CURSORS", True, False),
    ],
)
def test_an_old_connection_and_one_behind_a_pooler_are_not_used(monkeypatch, setting, value, is_used):
    monkeypatch.setitem(connections.settings["default"], setting, value)

    async def asked(used):
        try:
            return bool(await used.rows(ONE))
        except NotAnswered:
            return False

    assert with_connection(asked) is is_used


def test_another_database_is_a_matter_for_threads():
    async def asked(used):
        if connection.vendor == "postgresql":
            return
        with pytest.raises(NotAnswered) as caught:
            await used.rows(ONE)
        assert not caught.value.may_be_done

    with_connection(asked)


def test_what_is_not_open_is_a_matter_for_threads():
    async def asked():
        used = LoopConnection("default")
        with pytest.raises(NotAnswered) as caught:
            await used.rows(ONE)
        assert not caught.value.may_be_done
        used.shared.drop()

    asyncio.run(asked())


def test_each_loop_has_its_own_and_that_of_a_closed_one_is_dropped():
    made, dropped = [], []

    def make():
        made.append(object())
        return made[-1]

    async def mine():
        return per_loop.get() is per_loop.get() is made[-1]

    per_loop = PerLoop(make, dropped.append)
    assert [asyncio.run(mine()) for _ in range(3)] == [True] * 3
    assert dropped == made[:2]


def test_a_connection_is_dropped_from_within_a_loop():
    async def dropped():
        shared = SharedConnection("default")
        await asyncio.to_thread(opened, shared)
        shared.drop()
        SharedConnection("default").drop()

    asyncio.run(dropped())


def test_a_forked_child_has_none_of_its_parents_loops():
    processes = PerProcess(lambda alias: PerLoop(object, lambda one: None))

    async def mine():
        return processes.get("default").get()

    before = asyncio.run(mine())
    processes._begin_anew()
    assert asyncio.run(mine()) is not before
