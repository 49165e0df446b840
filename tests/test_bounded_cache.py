"""Django's cache where it falls silent: a real Redis, stopped or behind a proxy that forwards nothing."""

import asyncio
import concurrent.futures
import logging
import os
import subprocess
import sys
import threading
import time

import pytest
import redis
from django.core.cache import cache, caches
from django.core.cache.backends.base import BaseCache

from jay_sessions import bounded_cache
from jay_sessions.api import throttling
from jay_sessions.core import side_threads
from jay_sessions.core.rates import Rate
from jay_sessions.core.side_threads import Silent
from jay_sessions.zephr import gateway
from jay_sessions.zephr.entries import key_of
from project.zephr_demo_sessions import DEMO_SESSIONS

from .outages.proxy import Proxy
from .support.servers import ROOT
from .support.silent_redis import cache_at, silent_redis
from .support.zephr_held import LOCAL_CACHE, Held

pytest_plugins = ["tests.support.zephr_gateway_fixtures"]

RATE = Rate(3, 86400)
KNOWN = next(iter(DEMO_SESSIONS))


@pytest.fixture
def own_redis(settings):
    """A Redis that can be stopped, as the cache of a site that sets no time limits.

    Each test has its own: one that was stopped still does what it was asked to do, once it goes on.
    """
    with silent_redis() as running:
        settings.CACHES = cache_at(running.port)
        yield running
        settings.CACHES = LOCAL_CACHE


def hit(who="key 1"):
    return throttling.hit(who, RATE, time.time())


def seconds_of(call, *arguments):
    start = time.monotonic()
    call(*arguments)
    return time.monotonic() - start


def test_requests_are_counted_in_a_redis_of_the_network(own_redis):
    assert [hit() is None for _ in range(4)] == [True] * 3 + [False]
    assert hit("key 2") is None


def test_a_redis_that_is_stopped_costs_all_who_wait_a_second_together_and_then_nothing(own_redis, caplog):
    hit()
    own_redis.stop()
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        assert list(pool.map(lambda _: hit(), range(30))) == [None] * 30
    assert time.monotonic() - start < 2.5
    assert sum(seconds_of(hit) for _ in range(20)) < 0.3
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert said == ["The cache failed, so requests are not throttled: Silent"]


def test_once_the_redis_goes_on_requests_are_counted_again(own_redis):
    assert [hit() for _ in range(3)] == [None] * 3
    own_redis.stop()
    assert hit() is None
    own_redis.go_on()
    deadline = time.monotonic() + 12
    while hit() is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_connections_that_are_frozen_are_given_up_for_new_ones(own_redis, settings, monkeypatch):
    monkeypatch.setattr(side_threads, "PAUSE", 0.2)
    with Proxy(("127.0.0.1", own_redis.port)) as proxy:
        settings.CACHES = cache_at(proxy.port)
        assert [hit() for _ in range(3)] == [None] * 3
        proxy.silence_all()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert seconds_of(lambda: list(pool.map(lambda _: hit(), range(8)))) < 2.5
        for _ in range(3):
            time.sleep(0.25)
            assert hit() is None
        proxy.recover()
        deadline = time.monotonic() + 10
        while hit() is None:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        threads = bounded_cache._guards.get().threads
        while threads._abandoned:
            assert time.monotonic() < deadline + 5
            time.sleep(0.05)
        settings.CACHES = LOCAL_CACHE


def test_a_loop_goes_on_while_the_redis_is_silent(own_redis, settings):
    settings.JAY_SESSIONS = {"THROTTLE_RATES": {"key": "3/day"}}

    async def tasks():
        first = [await throttling.ahit_by_key(1) for _ in range(4)]
        own_redis.stop()
        asked = [asyncio.create_task(throttling.ahit_by_key(1)) for _ in range(60)]
        longest, last = 0.0, time.monotonic()
        while not all(task.done() for task in asked):
            await asyncio.sleep(0.005)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        free = await asyncio.wait_for(asyncio.to_thread(lambda: True), 5)
        return first, longest, free, {task.result() for task in asked}

    start = time.monotonic()
    first, longest, free, waits = asyncio.run(tasks())
    assert [wait is None for wait in first] == [True] * 3 + [False]
    assert (free, waits) == (True, {None})
    assert longest < 0.4
    assert time.monotonic() - start < 3


@pytest.mark.parametrize("backend", ["locmem.LocMemCache", "dummy.DummyCache", "filebased.FileBasedCache"])
def test_a_cache_of_this_machine_is_asked_in_place(settings, tmp_path, backend):
    place = {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": str(tmp_path)}
    settings.CACHES = {"default": place}

    def ask(cache):
        return threading.current_thread()

    assert bounded_cache.ask(ask) is threading.current_thread()
    thread = asyncio.run(bounded_cache.aask(ask))
    # Files may be on a disk that hangs.
    assert (thread is threading.current_thread()) is not ("file" in backend)


class SlowCache(BaseCache):
    """A cache of a kind that nobody knows, which hangs."""

    go_on = threading.Event()

    def __init__(self, location, params):
        super().__init__(params)

    def clear(self):
        pass

    def get(self, *args, **kwargs):
        self.go_on.wait(10)

    incr = get


def test_a_cache_of_an_unknown_kind_has_the_same_time(settings):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.SlowCache"}}
    try:
        assert seconds_of(hit) < 2.5
        with pytest.raises(Silent):
            bounded_cache.ask(lambda cache: cache.get("x"))
    finally:
        SlowCache.go_on.set()


def test_a_time_limit_of_the_sites_own_is_kept(settings, own_redis):
    settings.CACHES = cache_at(own_redis.port, socket_timeout=0.2)
    assert bounded_cache._made()._options["socket_timeout"] == 0.2
    settings.CACHES = cache_at(own_redis.port)
    assert bounded_cache._made()._options["socket_timeout"] == side_threads.LIMIT
    assert caches["default"]._options == {}
    settings.CACHES = LOCAL_CACHE


def test_without_a_default_cache_requests_are_let_through(settings, caplog):
    settings.CACHES = {"default": {"BACKEND": "no.such.Cache"}}
    assert hit() is None
    assert "not throttled: InvalidCacheBackendError" in caplog.text
    settings.CACHES = LOCAL_CACHE


FORK = """
import os, sys, threading, time
import django
django.setup()
from jay_sessions import bounded_cache
threads = bounded_cache._guards.get().threads
bounded_cache.ask(lambda cache: cache.set("who", os.getpid()))
# As if a thread of the parent's held them when it forks.
threads._lock.acquire(); bounded_cache._guards._lock.acquire()
pid = os.fork()
if not pid:
    assert bounded_cache.ask(lambda cache: cache.get("who")) == os.getppid()
    assert bounded_cache._guards.get().threads is not threads
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_after_a_fork_nothing_of_the_parent_is_used(own_redis):
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "DATABASE_URL": "sqlite://:memory:",
        "REDIS_URL": own_redis.url,
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "0\n", done.stderr


def test_two_sites_that_share_a_redis_count_apart_and_keep_answers_apart(own_redis, settings):
    assert [hit() is None for _ in range(4)] == [True] * 3 + [False]
    first = key_of("https://a.example", "access", "id")
    settings.SECRET_KEY = "the secret of another site"
    assert [hit() is None for _ in range(4)] == [True] * 3 + [False]
    assert key_of("https://a.example", "access", "id") != first
    with redis.Redis(port=own_redis.port) as client:
        names = [name.decode().removeprefix(":1:") for name in client.scan_iter()]
    assert len({name.split(".")[1] for name in names}) == 2
    assert not any(settings.SECRET_KEY in name for name in names)


def test_a_look_up_goes_on_without_a_redis_that_is_silent(own_redis, stand_in):
    gateway.look_up(KNOWN)
    own_redis.stop()
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        start = time.monotonic()
        found = list(pool.map(gateway.look_up, [KNOWN] * 10))
        assert time.monotonic() - start < 3
    assert all(answer.session.raw == DEMO_SESSIONS[KNOWN] for answer in found)
    assert seconds_of(gateway.look_up, KNOWN) < 0.45


def test_with_redis_and_zephr_silent_at_once_each_costs_its_own_time(own_redis, stand_in, set_zephr, caplog):
    set_zephr(stand_in.base_url, TIMEOUT=1, CONNECT_TIMEOUT=0.5)
    gateway.look_up(KNOWN)
    stand_in.fault = held = Held.session({})
    own_redis.stop()
    try:
        with pytest.raises(gateway.ZephrTimeout):
            assert seconds_of(gateway.look_up, KNOWN) < 4
        start = time.monotonic()
        with pytest.raises(gateway.ZephrTimeout):
            gateway.look_up(KNOWN)
        assert time.monotonic() - start < 2.5
        assert hit() is None
    finally:
        held.go_on.set()


def test_the_cache_is_forgotten_with_its_settings(settings):
    guard = bounded_cache._guards.get()
    settings.CACHES = LOCAL_CACHE
    assert bounded_cache._guards.get() is not guard
    cache.set("x", 1)
    assert bounded_cache.ask(lambda cache: cache.get("x")) == 1
