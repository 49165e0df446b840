"""The gateway for async code: awaited without holding up the event loop, and the sync one refused there."""

import asyncio
import contextvars
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections

from jay_sessions.exceptions import InvalidValue, ZephrNotConfigured, ZephrSessionNotFound, ZephrTimeout
from jay_sessions.signals import zephr_answered
from jay_sessions.zephr import gateway
from jay_sessions.zephr.gateway import Source
from project.zephr_demo_sessions import DEMO_SESSIONS

from ..conftest import until
from ..support.servers import running
from ..support.zephr_held import Held
from ..support.zephr_wire import ACCESS_KEY, KNOWN, SECRET_KEY

pytest_plugins = ["tests.support.zephr_gateway_fixtures"]

OTHER = [*DEMO_SESSIONS][1]


@pytest.fixture
def few_threads(monkeypatch):
    """Let the process have one thread alone for async code."""
    gateway._threads.cache_clear()
    monkeypatch.setattr(gateway, "THREADS", 1)
    yield
    gateway._threads.cache_clear()


@pytest.fixture
def held(stand_in):
    """A Zephr that answers nobody until it is let go."""
    stand_in.fault = Held.session({"user_id": "ada"})
    yield stand_in.fault
    stand_in.fault.go_on.set()


@pytest.mark.parametrize(("call", "instead"), [("get_session", "aget_session"), ("look_up", "alook_up")])
def test_the_sync_call_is_refused_in_an_event_loop_and_names_the_other_one(stand_in, call, instead):
    async def task():
        getattr(gateway, call)(KNOWN)

    with pytest.raises(SynchronousOnlyOperation, match=f"await {instead}"):
        asyncio.run(task())
    assert not stand_in.requests


def test_whoever_allows_django_to_block_the_loop_allows_it_here_too(stand_in, monkeypatch):
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

    async def task():
        return gateway.get_session(KNOWN).raw

    assert asyncio.run(task()) == DEMO_SESSIONS[KNOWN]


def test_a_thread_of_async_code_may_call_it(stand_in):
    session = asyncio.run(sync_to_async(gateway.get_session)(KNOWN))
    assert session.raw == DEMO_SESSIONS[KNOWN]


def test_the_awaited_answer_is_that_of_the_sync_call(stand_in):
    first = asyncio.run(gateway.alook_up(KNOWN))
    assert (first.source, first.session.raw) == (Source.MISS, DEMO_SESSIONS[KNOWN])
    assert gateway.look_up(KNOWN).source is Source.HIT
    assert asyncio.run(gateway.aget_session(KNOWN)) == first.session
    assert len(stand_in.requests) == 1


@pytest.mark.parametrize(("session_id", "expected"), [("nobody", ZephrSessionNotFound), ("..", InvalidValue)])
def test_what_the_sync_call_raises_is_raised(stand_in, session_id, expected):
    with pytest.raises(expected):
        asyncio.run(gateway.aget_session(session_id))


def test_without_the_setting_zephr_is_not_configured(settings):
    settings.JAY_SESSIONS = {}
    with pytest.raises(ZephrNotConfigured):
        asyncio.run(gateway.aget_session(KNOWN))


def test_the_event_loop_goes_on_while_zephr_is_asked(held):
    async def tasks():
        waiting = asyncio.create_task(gateway.aget_session(KNOWN))
        turns = 0
        while not waiting.done() and turns < 20:
            await asyncio.sleep(0.01)
            turns += 1
        held.go_on.set()
        return turns, await waiting

    turns, session = asyncio.run(tasks())
    assert turns == 20
    assert session.user_id == "ada"


def test_neither_djangos_one_thread_nor_the_loops_own_threads_are_taken(held):
    async def tasks():
        loop = asyncio.get_running_loop()
        waiting = [asyncio.create_task(gateway.aget_session(f"{number}")) for number in range(40)]
        await asyncio.sleep(0.05)
        names = [
            await sync_to_async(lambda: threading.current_thread().name)(),
            await loop.run_in_executor(None, lambda: threading.current_thread().name),
        ]
        done = [task.done() for task in waiting]
        held.go_on.set()
        return names, done, await asyncio.gather(*waiting)

    names, done, sessions = asyncio.run(asyncio.wait_for(tasks(), 10))
    assert not any(done)
    assert [session.user_id for session in sessions] == ["ada"] * 40
    assert not [name for name in names if name.startswith("jay_sessions.zephr")]


def test_tasks_that_want_the_same_session_share_a_call(held, stand_in):
    async def tasks():
        waiting = [asyncio.create_task(gateway.alook_up(KNOWN)) for _ in range(5)]
        await asyncio.sleep(0.1)
        held.go_on.set()
        return await asyncio.gather(*waiting)

    sources = sorted(answer.source for answer in asyncio.run(tasks()))
    assert sources == [Source.MISS, *[Source.SHARED] * 4]
    assert len(stand_in.requests) == 1


def test_a_task_that_is_cancelled_waits_no_longer_and_the_answer_is_kept(held, stand_in):
    async def tasks():
        waiting = asyncio.create_task(gateway.aget_session(KNOWN))
        while not stand_in.requests:
            await asyncio.sleep(0.005)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(waiting, 5)
        assert not held.go_on.is_set()

    asyncio.run(tasks())
    held.go_on.set()
    until(lambda: gateway.look_up(KNOWN).source is Source.HIT)
    assert len(stand_in.requests) == 1


def test_a_task_that_is_cancelled_before_its_turn_asks_nobody(few_threads, held, stand_in):
    async def tasks():
        first = asyncio.create_task(gateway.aget_session(KNOWN))
        while not stand_in.requests:
            await asyncio.sleep(0.005)
        second = asyncio.create_task(gateway.aget_session(OTHER))
        await asyncio.sleep(0.05)
        second.cancel()
        await asyncio.wait([second])
        held.go_on.set()
        await first
        return second.cancelled()

    assert asyncio.run(tasks())
    # The one thread takes up what comes later, so nothing is left before it.
    asyncio.run(gateway.aget_session(KNOWN))
    assert len(stand_in.requests) == 1


def test_waiting_for_a_thread_counts_too(few_threads, held, stand_in, set_zephr):
    set_zephr(stand_in.base_url, TIMEOUT=0.5)

    async def tasks():
        return await asyncio.gather(
            gateway.aget_session(KNOWN), gateway.aget_session(OTHER), return_exceptions=True
        )

    start = time.monotonic()
    assert [type(result) for result in asyncio.run(tasks())] == [ZephrTimeout] * 2
    assert time.monotonic() - start < 4
    assert len(stand_in.requests) == 1


def test_the_task_s_context_reaches_the_receivers_of_the_signals(stand_in):
    request_id = contextvars.ContextVar("request_id", default="")
    seen = []

    def receiver(**kwargs):
        seen.append(request_id.get())

    async def task():
        request_id.set("from the task")
        await gateway.aget_session(KNOWN)

    zephr_answered.connect(receiver)
    try:
        asyncio.run(task())
    finally:
        zephr_answered.disconnect(receiver)
    assert seen == ["from the task"]


@pytest.mark.django_db(transaction=True)
def test_no_database_connection_stays_open_in_the_threads(few_threads, stand_in):
    made = []

    def receiver(**kwargs):
        connection = connections["default"]
        connection.ensure_connection()
        made.append((connection, threading.current_thread().name))

    zephr_answered.connect(receiver)
    try:
        asyncio.run(gateway.aget_session(KNOWN))
    finally:
        zephr_answered.disconnect(receiver)
    [(connection, name)] = made
    assert name.startswith("jay_sessions.zephr")
    assert connection is not connections["default"]
    if connection.vendor == "sqlite" and connection.is_in_memory_db():
        # Django leaves these open, as the database would be gone with the last of them.
        connection.connection.close()
    else:
        assert connection.connection is None


@pytest.mark.server
def test_under_an_asgi_server_nobody_waits_for_those_who_wait_for_zephr(tmp_path, stand_in):
    stand_in.fault = Held.session({"user_id": "ada"})
    variables = {
        "DJANGO_SETTINGS_MODULE": "tests.support.zephr_async_settings",
        "ZEPHR_BASE_URL": stand_in.base_url,
        "ZEPHR_ACCESS_KEY": ACCESS_KEY,
        "ZEPHR_SECRET_KEY": SECRET_KEY,
    }
    with running("granian, ASGI", tmp_path, **variables) as server, ThreadPoolExecutor(40) as pool:
        url, headers = f"http://127.0.0.1:{server.port}", {"X-API-Key": server.key}

        def get(path):
            return requests.get(f"{url}{path}", headers=headers, timeout=30)

        own = [pool.submit(get, f"/own/{number}") for number in range(20)]
        proxied = [pool.submit(get, f"/v3/sessions/p{number}") for number in range(20)]
        until(lambda: len(stand_in.requests) == 40)
        assert [get("/sync/").text for _ in range(10)] == ["here"] * 10
        assert not any(answer.done() for answer in [*own, *proxied])
        stand_in.fault.go_on.set()
        assert [answer.result().json() for answer in [*own, *proxied]] == [{"user_id": "ada"}] * 40
