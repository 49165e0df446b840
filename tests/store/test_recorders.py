"""Both recorders make the same promise: what `record` returns from is committed."""

import asyncio
import datetime
import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.db.backends.postgresql import psycopg_any
from django.test.utils import _TestState

from jay_sessions import sessions
from jay_sessions.core.uuid7 import uuid7
from jay_sessions.database.connections import has_psycopg_3, is_grouped
from jay_sessions.database.loop_connection import LoopConnection, NotAnswered
from jay_sessions.exceptions import StoreUnavailable
from jay_sessions.models import TrackingSession
from jay_sessions.store import group, recorders, statements
from jay_sessions.store.statements import Row

from ..conftest import PLAYOUT, dead_database, forget_shared, until
from ..support import servers

NOON = datetime.datetime(2025, 9, 2, 12, 0, 0, 123_456, tzinfo=datetime.UTC)

pytestmark = pytest.mark.django_db(transaction=True)

on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="Speaks of PostgreSQL.")


@pytest.fixture(params=["direct", "group"])
def recorder(request, setting):
    setting(RECORDER=request.param)
    return request.param


@pytest.fixture
def grouped(setting):
    setting(RECORDER="group")


def row(bits=1, **fields):
    values = {
        "session_id": str(uuid7(NOON, bits)),
        "playout_id": PLAYOUT,
        "provider_name": "netflix",
        "user_id": "user-1 ü😀",
        "source": "here",
        "started_at": NOON,
        "api_key_id": 7,
        "zephr_session_id": "zephr-1",
    }
    return Row(**{**values, **fields})


def stored():
    return list(TrackingSession.objects.order_by("session_id").values_list(*Row._fields, "end__ended_at"))


@pytest.mark.usefixtures("recorder")
@pytest.mark.parametrize(
    "given",
    [row(), row(provider_name=None, user_id=None, api_key_id=None, zephr_session_id=None)],
    ids=["everything", "only what must be"],
)
def test_a_row_is_stored_as_it_was_given(given):
    recorders.record(given)
    expected = (uuid.UUID(given.session_id), *given[1:])
    assert stored() == [(*expected, None)]
    session = given.as_session()
    assert session == TrackingSession.objects.get()
    assert tuple(getattr(session, name) for name in Row._fields) == expected


@pytest.mark.usefixtures("recorder")
def test_a_session_that_is_there_already_is_an_error_and_stays_as_it_was():
    recorders.record(row())
    with pytest.raises(IntegrityError):
        recorders.record(row(user_id="somebody else"))
    recorders.record(row(2))
    assert [user for *_, user in TrackingSession.objects.values_list("user_id")] == ["user-1 ü😀"] * 2


@pytest.mark.usefixtures("recorder")
def test_inside_a_transaction_of_the_callers_a_row_is_a_part_of_that():
    with transaction.atomic():
        recorders.record(row())
        assert len(stored()) == 1
        transaction.set_rollback(True)
    assert stored() == []


@pytest.mark.usefixtures("recorder")
def test_without_the_database_nothing_is_acknowledged():
    with dead_database(), pytest.raises(StoreUnavailable) as caught:
        recorders.record(row())
    assert caught.value.__cause__ is not None
    recorders.record(row())
    assert len(stored()) == 1


def start_in_threads(threads, each):
    """Start sessions in some threads at the same time; return the ids and the exceptions."""
    ids, errors, barrier = [], [], threading.Barrier(threads)

    def client(number):
        barrier.wait(30)
        try:
            ids.extend(sessions.start(PLAYOUT, f"{number}-{step}").token.session_id for step in range(each))
        except Exception as error:  # noqa: BLE001
            errors.append(error)
        finally:
            connections.close_all()

    clients = [threading.Thread(target=client, args=(number,)) for number in range(threads)]
    for one in clients:
        one.start()
    for one in clients:
        one.join(60)
    return ids, errors


@pytest.fixture
def statements_seen(monkeypatch):
    """How many rows each statement of the group's had."""
    seen, insert_all = [], statements.insert_all

    def watch(connection, rows, **kwargs):
        seen.append(len(rows))
        return insert_all(connection, rows, **kwargs)

    monkeypatch.setattr(statements, "insert_all", watch)
    return seen


@pytest.mark.usefixtures("grouped")
def test_threads_that_start_sessions_at_the_same_time_commit_them_together(statements_seen, monkeypatch):
    insert_all = statements.insert_all

    def all_others_come_meanwhile(*args, **kwargs):
        if not statements_seen:
            until(lambda: len(group.recordings.threads.get("default").batcher._queue) == 11)
        return insert_all(*args, **kwargs)

    monkeypatch.setattr(statements, "insert_all", all_others_come_meanwhile)
    ids, errors = start_in_threads(threads=12, each=20)
    assert errors == []
    assert sorted(ids) == sorted(str(one) for one in TrackingSession.objects.values_list("pk", flat=True))
    assert len(ids) == len(set(ids)) == sum(statements_seen) == 240
    assert statements_seen[0] == 1
    assert statements_seen[1] >= 11


@pytest.mark.usefixtures("grouped")
def test_a_bad_row_fails_for_nobody_but_itself(statements_seen):
    recorders.record(row(5))
    shared = group.recordings.threads.get("default").connection
    outcomes = group.recordings.do_all(shared, [row(4), row(5), row(6)])
    assert [type(outcome) for outcome in outcomes] == [type(None), IntegrityError, type(None)]
    assert [one[0] for one in stored()] == [uuid7(NOON, bits) for bits in (4, 5, 6)]
    assert statements_seen == [1, 3, 1, 1, 1]


@pytest.mark.usefixtures("grouped")
def test_a_queue_that_is_full_is_an_unavailable_store(monkeypatch):
    monkeypatch.setattr(group.recordings.threads.get("default").batcher, "_max_queue", 0)
    with pytest.raises(StoreUnavailable):
        recorders.record(row())
    assert stored() == []


@on_postgresql
@pytest.mark.usefixtures("grouped")
def test_a_connection_that_was_lost_while_it_slept_refuses_nothing():
    recorders.record(row(1))
    connection_of_all = group.recordings.threads.get("default").connection._connection
    pid = connection_of_all.connection.info.backend_pid
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    recorders.record(row(2))
    assert len(stored()) == 2
    assert connection_of_all.connection.info.backend_pid != pid


@on_postgresql
@pytest.mark.usefixtures("grouped")
def test_a_row_that_was_stored_by_an_answer_that_got_lost_is_stored_once(monkeypatch):
    recorders.record(row(1))
    insert_all, tries = statements.insert_all, []

    def lose_the_answer(connection, rows, *, again=False):
        insert_all(connection, rows, again=again)
        tries.append(again)
        if not again:
            connection.connection.close()
            with connection.wrap_database_errors:
                connection.connection.execute("SELECT 1")

    monkeypatch.setattr(statements, "insert_all", lose_the_answer)
    recorders.record(row(2))
    assert tries == [False, True]
    assert len(stored()) == 2


@on_postgresql
@pytest.mark.usefixtures("grouped")
@pytest.mark.parametrize(("max_age", "is_kept"), [(0, True), (None, True), (1000, True), (-1, False)])
def test_the_connection_lives_as_long_as_the_settings_say(monkeypatch, max_age, is_kept):
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", max_age)
    recorders.record(row(1))
    first = group.recordings.threads.get("default").connection._connection.connection
    recorders.record(row(2))
    assert (group.recordings.threads.get("default").connection._connection.connection is first) == is_kept


@on_postgresql
@pytest.mark.parametrize(
    ("settings", "is_planned"),
    [
        ({"CONN_MAX_AGE": 60}, True),
        ({"CONN_MAX_AGE": None}, True),
        ({"CONN_MAX_AGE": 0}, False),
        ({"CONN_MAX_AGE": 60, "DISABLE_SERVER_SIDE_CURSORS": True}, False),
    ],
)
def test_a_statement_is_planned_once_where_that_can_be_and_pays(monkeypatch, settings, is_planned):
    for name, value in settings.items():
        monkeypatch.setitem(connection.settings_dict, name, value)
    connection.close()
    statements.insert(connection, row())
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'INSERT%'")
        assert cursor.fetchone() == (int(is_planned),)
    connection.close()


def recorded_in_loop(*batches):
    """Record batches of rows in one event loop, one after the other; give what became of each row."""

    async def run():
        return [
            await asyncio.gather(*map(recorders.arecord, batch), return_exceptions=True) for batch in batches
        ]

    try:
        return [outcome for batch in asyncio.run(run()) for outcome in batch]
    finally:
        forget_shared()


@pytest.fixture
def by_the_loop(monkeypatch):
    """How many rows each statement had that the event loop itself has sent; True before those that failed."""
    seen, rows = [], LoopConnection.rows

    async def watch(self, statement):
        try:
            found = await rows(self, statement)
        except NotAnswered as error:
            seen.append(error.may_be_done)
            raise
        seen.append(len(statement.values) // len(Row._fields))
        return found

    monkeypatch.setattr(LoopConnection, "rows", watch)
    return seen


BARE = {"provider_name": None, "user_id": None, "api_key_id": None, "zephr_session_id": None}


@pytest.mark.usefixtures("grouped")
def test_tasks_record_rows_as_they_were_given(by_the_loop):
    given = [[row(1)], [row(2)], [row(3, **BARE)], [row(bits, user_id=f"{bits}") for bits in range(4, 104)]]
    assert recorded_in_loop(*given) == [None] * 103
    assert stored() == [(uuid.UUID(one.session_id), *one[1:], None) for batch in given for one in batch]
    # The first opens the connection, by a thread; SQLite knows nothing else.
    assert by_the_loop == ([False, 1, 1, 64, 36] if connection.vendor == "postgresql" else [False] * 5)


@pytest.mark.usefixtures("grouped")
def test_what_fails_for_one_task_fails_for_nobody_else():
    outcomes = recorded_in_loop([row(5)], [row(6)], [row(4), row(5, user_id="x"), row(7)], [row(6)], [row(8)])
    expected = [None, None, None, IntegrityError, None, IntegrityError, None]
    assert [outcome if outcome is None else type(outcome) for outcome in outcomes] == expected
    assert [one[0] for one in stored()] == [uuid7(NOON, bits) for bits in (4, 5, 6, 7, 8)]
    assert {one[3] for one in stored()} == {"user-1 ü😀"}


@pytest.mark.usefixtures("grouped")
def test_without_the_database_no_task_is_told_that_its_row_is_stored():
    with dead_database():
        [outcome] = recorded_in_loop([row()])
    assert isinstance(outcome, StoreUnavailable)
    assert recorded_in_loop([row()]) == [None]


@on_postgresql
@pytest.mark.usefixtures("grouped")
def test_a_loops_connection_that_was_lost_while_it_slept_refuses_nothing(by_the_loop):
    def terminate(pid):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        connection.close()

    async def lost_in_between():
        await recorders.arecord(row(1))
        await recorders.arecord(row(2))
        used = group.recordings.loops.get("default").get().connection.shared.prepared_connection()
        await asyncio.to_thread(terminate, used.info.backend_pid)
        await recorders.arecord(row(3))
        await recorders.arecord(row(4))

    asyncio.run(lost_in_between())
    forget_shared()
    assert len(stored()) == 4
    assert [by_the_loop[0], by_the_loop[1], by_the_loop[3]] == [False, 1, 1]


@on_postgresql
@pytest.mark.usefixtures("grouped")
def test_a_row_of_a_task_that_was_stored_by_an_answer_that_got_lost_is_stored_once(monkeypatch):
    rows, lost = LoopConnection.rows, []

    async def lose_the_answer(self, statement):
        await rows(self, statement)
        lost.append(statement)
        raise NotAnswered(may_be_done=True)

    monkeypatch.setattr(LoopConnection, "rows", lose_the_answer)
    assert recorded_in_loop([row(1)], [row(2)], [row(3), row(4)]) == [None] * 4
    assert len(lost) == 2
    assert len(stored()) == 4


@pytest.mark.usefixtures("grouped")
def test_a_queue_of_tasks_that_is_full_is_an_unavailable_store():
    async def full():
        group.recordings.loops.get("default").get().batcher._max_queue = 0
        await recorders.arecord(row())

    with pytest.raises(StoreUnavailable):
        asyncio.run(full())
    assert stored() == []


FORKING = """
import os, sys
import django
django.setup()
from jay_sessions import sessions
from jay_sessions.database.connections import close_all
from jay_sessions.store.group import recordings

sessions.start("parent", "before")
shared = recordings.threads.get("default").connection.wrapper.connection
child = os.fork()
if child == 0:
    close_all()
    sessions.start("child", "1")
    sessions.start("child", "2")
    close_all()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
sessions.start("parent", "after")
assert recordings.threads.get("default").connection.wrapper.connection is shared
"""


def test_parent_and_child_each_have_a_connection_of_their_own(tmp_path):
    with servers.new_database(Path(tmp_path)) as url:
        environment = {**servers.example_site(url), "JAY_RECORDER": "group"}
        servers.manage(environment, "migrate", "--verbosity", "0")
        done = subprocess.run(
            [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", FORKING],
            cwd=servers.ROOT,
            env={**environment, "PYTHONPATH": os.pathsep.join(map(str, (servers.ROOT,)))},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert servers.Server(0, "", url).rows() == 4


@pytest.mark.parametrize(
    ("recorder", "in_a_test", "grouped"),
    [(None, True, False), (None, False, connection.vendor == "postgresql"), ("direct", False, False)],
)
def test_without_a_recorder_sessions_are_grouped_on_postgresql_and_not_in_djangos_tests(
    setting, monkeypatch, recorder, in_a_test, grouped
):
    setting(RECORDER=recorder)
    if not in_a_test:
        # `mail.outbox` stays: a site has it, too, if it keeps its e-mails in memory.
        monkeypatch.delattr(_TestState, "saved_data")
    assert is_grouped("default") is grouped


def test_with_psycopg_2_nothing_is_grouped_by_default(setting, monkeypatch):
    setting(RECORDER=None)
    monkeypatch.delattr(_TestState, "saved_data")
    monkeypatch.setattr(psycopg_any, "is_psycopg3", False)
    has_psycopg_3.cache_clear()
    assert not is_grouped("default")
    has_psycopg_3.cache_clear()
