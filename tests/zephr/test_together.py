"""Many who ask the gateway for one session at the same time: in one process, and in two."""

import concurrent.futures
import os
import subprocess
import sys
import threading
import time
import uuid

import pytest
from django.core.cache import cache

from jay_sessions.exceptions import ZephrClockSkew, ZephrThrottled, ZephrTimeout
from jay_sessions.zephr import gateway
from jay_sessions.zephr.entries import key_of
from jay_sessions.zephr.gateway import Source
from project.zephr_demo_sessions import DEMO_SESSIONS

from ..conftest import until
from ..support.servers import ROOT
from ..support.zephr_held import LOCAL_CACHE, Held, waiting
from ..support.zephr_wire import ACCESS_KEY, SECRET_KEY, answer

pytest_plugins = ["tests.support.zephr_gateway_fixtures"]

KNOWN, OTHER = list(DEMO_SESSIONS)[:2]
DUMMY = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
DOWN = {"default": {"BACKEND": "tests.zephr.test_entries.BrokenCache"}}


def flights():
    [process] = gateway._processes.values()
    return process.flights


def ask_together(held, number):
    """Let so many threads ask, which are all at it when Zephr answers; gives answers and exceptions."""
    with concurrent.futures.ThreadPoolExecutor(number) as pool:
        asked = [pool.submit(gateway.look_up, KNOWN) for _ in range(number)]
        until(lambda: gateway._processes and waiting(flights()) == number - 1)
        held.go_on.set()
        return [future.exception() or future.result() for future in asked]


@pytest.mark.parametrize(
    ("caches", "options"),
    [
        (LOCAL_CACHE, {}),
        (LOCAL_CACHE, {"CACHE_TIMEOUT": 0, "NOT_FOUND_CACHE_TIMEOUT": 0}),
        (DUMMY, {}),
        (DOWN, {}),
    ],
    ids=["kept", "not kept", "a cache that keeps nothing", "a cache that is down"],
)
def test_threads_that_ask_at_once_make_one_call_and_each_has_an_answer_of_its_own(
    stand_in, set_zephr, settings, caches, options
):
    settings.CACHES = caches
    set_zephr(stand_in.base_url, **options)
    stand_in.fault = held = Held.session(DEMO_SESSIONS[KNOWN])
    answers = ask_together(held, 12)
    assert len(stand_in.requests) == 1
    assert sorted(found.source for found in answers) == [Source.MISS] + [Source.SHARED] * 11
    for found in answers:
        assert found.session.raw == DEMO_SESSIONS[KNOWN]
        found.session.raw.clear()
    assert not flights()._flights


@pytest.mark.parametrize(
    ("data", "expected", "attribute", "value"),
    [
        (answer(b"{}", "429 Too Many", Retry_After=77), ZephrThrottled, "retry_after", 77),
        (answer(b"{}", "401 No", Date="Thu, 01 Jan 2026 00:00:00 GMT"), ZephrClockSkew, "args", None),
    ],
)
def test_a_failure_is_shared_as_an_exception_for_each(stand_in, data, expected, attribute, value):
    stand_in.fault = held = Held(data)
    errors = ask_together(held, 6)
    assert len(stand_in.requests) == 1
    assert {type(error) for error in errors} == {expected}
    assert len(set(map(id, errors))) == len({id(error.__traceback__) for error in errors}) == 6
    assert {str(error) for error in errors} == {str(errors[0])}
    assert {getattr(error, attribute) for error in errors} == {value or getattr(errors[0], attribute)}


def test_who_asks_for_another_session_does_not_wait(stand_in):
    stand_in.fault = held = Held.session(DEMO_SESSIONS[KNOWN])
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(gateway.look_up, KNOWN)
        until(lambda: stand_in.requests)
        stand_in.fault = None
        assert gateway.look_up(OTHER).source is Source.MISS
        held.go_on.set()
        assert first.result().source is Source.MISS


def test_nobody_waits_for_another_thread_longer_than_the_timeout(stand_in, set_zephr):
    set_zephr(stand_in.base_url, TIMEOUT=0.6, CONNECT_TIMEOUT=0.3)
    gateway.look_up(OTHER)
    stuck, key = threading.Event(), key_of(stand_in.base_url, ACCESS_KEY, KNOWN)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(flights().share, key, lambda: stuck.wait(10), time.monotonic() + 10)
        start = time.monotonic()
        with pytest.raises(ZephrTimeout):
            gateway.look_up(KNOWN)
        assert 0.6 <= time.monotonic() - start < 2
        stuck.set()


def test_a_call_under_way_in_the_parent_does_not_hold_up_a_forked_child(stand_in, monkeypatch):
    stand_in.fault = held = Held.session(DEMO_SESSIONS[KNOWN])
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(gateway.look_up, KNOWN)
        until(lambda: stand_in.requests)
        stand_in.fault = None
        monkeypatch.setattr(os, "getpid", lambda: 1)
        # By its lock in the cache alone, as any other process.
        cache.clear()
        assert gateway.look_up(KNOWN).source is Source.MISS
        held.go_on.set()
        assert first.result().source is Source.MISS


def test_who_waited_for_a_thread_that_died_has_less_time_left(stand_in, set_zephr):
    set_zephr(stand_in.base_url, TIMEOUT=2)
    gateway.look_up(OTHER)
    dying, key = threading.Event(), key_of(stand_in.base_url, ACCESS_KEY, KNOWN)
    stand_in.fault = lambda handler: stand_in.stopping.wait(10)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        pool.submit(flights().share, key, lambda: dying.wait(10) and 1 / 0, time.monotonic() + 10)
        start = time.monotonic()
        asked = pool.submit(gateway.look_up, KNOWN)
        until(lambda: waiting(flights()))
        time.sleep(1)
        dying.set()
        assert isinstance(asked.exception(), ZephrTimeout)
        assert 1.9 < time.monotonic() - start < 2.7
    assert len(stand_in.requests) == 2


@pytest.fixture
def lock(stand_in, set_zephr, local_cache):
    """The key of a lock that another process holds, in a cache that both share."""
    set_zephr(stand_in.base_url, TIMEOUT=2)
    key = f"{key_of(stand_in.base_url, ACCESS_KEY, KNOWN)}.lock"
    cache.set(key, "of another process", 60)
    return key


def test_what_another_process_finds_is_waited_for(lock, stand_in):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(gateway.look_up, KNOWN)
        until(lambda: waiting is not None and cache.get(lock))
        time.sleep(0.05)
        entry = {"raw": DEMO_SESSIONS[KNOWN], "at": time.time()}
        cache.set(lock.removesuffix(".lock"), entry, 30)
        cache.delete(lock)
        found = asked.result()
    assert (found.source, found.session.raw) == (Source.SHARED, DEMO_SESSIONS[KNOWN])
    assert not stand_in.requests


def test_where_another_process_finds_nothing_zephr_is_asked(lock, stand_in):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(gateway.look_up, KNOWN)
        time.sleep(0.05)
        assert not stand_in.requests
        cache.delete(lock)
        assert asked.result().source is Source.MISS


def test_for_another_process_that_died_nobody_waits_longer_than_half_the_time(lock, stand_in):
    start = time.monotonic()
    assert gateway.look_up(KNOWN).source is Source.MISS
    assert 1 <= time.monotonic() - start < 2
    assert cache.get(lock) == "of another process"


def test_waiting_for_another_process_is_part_of_the_time(lock, stand_in):
    stand_in.fault = lambda handler: stand_in.stopping.wait(10)
    start = time.monotonic()
    with pytest.raises(ZephrTimeout):
        gateway.look_up(KNOWN)
    assert 1.9 < time.monotonic() - start < 4


def test_where_waiting_has_used_up_the_time_zephr_is_not_asked(lock, stand_in, set_zephr, monkeypatch):
    # One pause is longer than all the time there is.
    monkeypatch.setattr(gateway, "FIRST_PAUSE", 0.5)
    set_zephr(stand_in.base_url, TIMEOUT=0.2)
    with pytest.raises(ZephrTimeout):
        gateway.look_up(KNOWN)
    assert not stand_in.requests


def test_without_a_cache_time_nobody_waits_for_another_process(lock, stand_in, set_zephr):
    set_zephr(stand_in.base_url, CACHE_TIMEOUT=0, TIMEOUT=60)
    assert gateway.look_up(KNOWN).source is Source.MISS


def test_the_lock_is_given_back(stand_in, local_cache):
    gateway.look_up(KNOWN)
    assert cache.get(f"{key_of(stand_in.base_url, ACCESS_KEY, KNOWN)}.lock") is None


ASK = """
import sys
import django
django.setup()
from jay_sessions.zephr import gateway
print("ready", flush=True)
sys.stdin.readline()
answer = gateway.look_up(sys.argv[1])
print(answer.source, answer.session.raw)
"""


@pytest.mark.server
def test_two_processes_that_share_a_cache_make_one_call(stand_in, shared_cache):
    session_id = str(uuid.uuid4())
    stand_in.fault = held = Held.session({"v": 7})
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "DATABASE_URL": "sqlite://:memory:",
        "REDIS_URL": shared_cache,
        "ZEPHR_BASE_URL": stand_in.base_url,
        "ZEPHR_ACCESS_KEY": ACCESS_KEY,
        "ZEPHR_SECRET_KEY": SECRET_KEY,
    }
    both = [
        subprocess.Popen(
            [sys.executable, "-c", ASK, session_id],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in both:
        assert process.stdout.readline() == "ready\n"
    for process in both:
        process.stdin.write("\n")
        process.stdin.flush()
    until(lambda: stand_in.requests)
    time.sleep(0.5)
    held.go_on.set()
    said = sorted(process.communicate(timeout=30)[0] for process in both)
    assert said == ["miss {'v': 7}\n", "shared {'v': 7}\n"]
    assert len(stand_in.requests) == 1
