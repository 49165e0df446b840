"""Answers past their time, while Zephr fails: `STALE_IF_ERROR`."""

import concurrent.futures
import threading
import time

import pytest
import time_machine

from jay_sessions.exceptions import (
    ZephrBadResponse,
    ZephrBusy,
    ZephrCircuitOpen,
    ZephrCredentialsRejected,
    ZephrError,
    ZephrSessionNotFound,
    ZephrThrottled,
    ZephrTimeout,
    ZephrUnavailable,
)
from jay_sessions.zephr import gateway
from jay_sessions.zephr.entries import key_of
from jay_sessions.zephr.gateway import Source
from project.zephr_demo_sessions import DEMO_SESSIONS

from ..conftest import until
from ..support.zephr_held import Held, refusing
from ..support.zephr_wire import ACCESS_KEY

pytest_plugins = ["tests.support.zephr_gateway_fixtures"]

KNOWN = next(iter(DEMO_SESSIONS))


@pytest.fixture
def at(local_cache):
    """Set the clock to so many seconds after noon."""
    with time_machine.travel("2026-01-01T12:00:00Z", tick=False) as clock:
        noon = time.time()
        yield lambda seconds: clock.move_to(noon + seconds)


@pytest.fixture
def kept(stand_in, set_zephr, at):
    """A Zephr of which an answer was kept at noon: fresh for 30 seconds, to be had for 60 more."""
    set_zephr(stand_in.base_url, STALE_IF_ERROR=60, TIMEOUT=1, CONNECT_TIMEOUT=0.5)
    gateway.look_up(KNOWN)
    return stand_in


def hanging(handler):
    handler.server.stand_in.stopping.wait(5)


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        (refusing(), ZephrUnavailable),
        (refusing("429 Too Many Requests"), ZephrThrottled),
        (hanging, ZephrTimeout),
    ],
)
def test_while_zephr_fails_a_kept_answer_serves_past_its_time(kept, at, fault, failure):
    kept.fault = fault
    at(42)
    found = gateway.look_up(KNOWN)
    assert (found.source, found.age, found.ttl) == (Source.STALE, 42, -12)
    assert (found.expired, found.failure) == (True, failure)
    assert found.session.raw == DEMO_SESSIONS[KNOWN]
    at(91)
    with pytest.raises(failure):
        gateway.look_up(KNOWN)


def test_while_the_circuit_is_open_a_kept_answer_serves(kept, at, set_zephr):
    set_zephr(kept.base_url, STALE_IF_ERROR=60, CIRCUIT_FAILURES=1, CIRCUIT_TIMEOUT=60)
    kept.fault = refusing()
    at(31)
    assert gateway.look_up(KNOWN).failure is ZephrUnavailable
    found = gateway.look_up(KNOWN)
    assert (found.source, found.failure) == (Source.STALE, ZephrCircuitOpen)
    assert sum(seen.path.endswith(KNOWN) for seen in kept.requests) == 2
    with pytest.raises(ZephrCircuitOpen):
        gateway.look_up("nobody")


def test_while_too_many_wait_a_kept_answer_serves(kept, at, set_zephr):
    set_zephr(kept.base_url, STALE_IF_ERROR=60, MAX_WAITING=1, TIMEOUT=5)
    kept.fault = held = Held.session({})
    at(31)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        other = pool.submit(gateway.look_up, "another")
        until(lambda: len(kept.requests) == 2)
        found = gateway.look_up(KNOWN)
        assert (found.source, found.failure) == (Source.STALE, ZephrBusy)
        with pytest.raises(ZephrBusy):
            gateway.look_up("a third")
        held.go_on.set()
        other.result()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (refusing("401 Unauthorized"), ZephrCredentialsRejected),
        (refusing("418 Teapot"), ZephrBadResponse),
        (refusing("404 Not Found"), ZephrSessionNotFound),
    ],
)
def test_what_zephr_does_answer_counts(kept, at, fault, expected):
    kept.fault = fault
    at(31)
    with pytest.raises(expected):
        gateway.look_up(KNOWN)


@pytest.mark.parametrize("not_found_cache_timeout", [0, 5])
def test_a_404_takes_the_place_of_a_kept_answer(kept, at, set_zephr, not_found_cache_timeout):
    set_zephr(kept.base_url, STALE_IF_ERROR=60, NOT_FOUND_CACHE_TIMEOUT=not_found_cache_timeout)
    kept.fault = refusing("404 Not Found")
    at(31)
    with pytest.raises(ZephrSessionNotFound):
        gateway.look_up(KNOWN)
    kept.fault = refusing()
    at(37)
    with pytest.raises(ZephrUnavailable):
        gateway.look_up(KNOWN)


def test_a_zephr_that_recovers_is_asked_again(kept, at):
    kept.fault = refusing()
    at(31)
    assert gateway.look_up(KNOWN).source is Source.STALE
    kept.fault = None
    found = gateway.look_up(KNOWN)
    assert (found.source, found.age, found.ttl, found.expired) == (Source.MISS, 0, 30, True)
    assert gateway.look_up(KNOWN).source is Source.HIT


def test_without_a_cache_time_zephr_is_asked_each_time_and_its_last_answer_kept(stand_in, set_zephr, at):
    set_zephr(stand_in.base_url, CACHE_TIMEOUT=0, STALE_IF_ERROR=60)
    assert [gateway.look_up(KNOWN).source for _ in range(2)] == [Source.MISS] * 2
    stand_in.fault = refusing()
    at(59)
    found = gateway.look_up(KNOWN)
    assert (found.source, found.age, found.ttl) == (Source.STALE, 59, -59)


def test_by_default_nothing_serves_past_its_time(stand_in, at):
    gateway.look_up(KNOWN)
    stand_in.fault = refusing()
    at(31)
    with pytest.raises(ZephrUnavailable):
        gateway.look_up(KNOWN)


def test_a_shorter_time_holds_for_what_was_kept_before(kept, at, set_zephr):
    set_zephr(kept.base_url, STALE_IF_ERROR=5)
    kept.fault = refusing()
    at(34)
    assert gateway.look_up(KNOWN).source is Source.STALE
    at(36)
    with pytest.raises(ZephrUnavailable):
        gateway.look_up(KNOWN)


def test_a_failure_of_a_session_that_was_never_seen_is_told(kept):
    kept.fault = refusing()
    with pytest.raises(ZephrError):
        gateway.look_up("nobody")


def test_who_waits_too_long_for_another_thread_gets_the_kept_answer(kept, at):
    at(31)
    [process] = gateway._processes.values()
    stuck, key = threading.Event(), key_of(kept.base_url, ACCESS_KEY, KNOWN)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(process.flights.share, key, lambda: stuck.wait(10), time.monotonic() + 10)
        found = gateway.look_up(KNOWN)
        stuck.set()
    assert (found.source, found.failure) == (Source.STALE, ZephrTimeout)
