"""Another try: after what, when, and how it is signed. Which faults it follows: test_zephr_faults.py."""

import concurrent.futures
import contextlib
import email.utils
import threading
import time

import pytest

from jay_sessions.exceptions import ZephrSessionNotFound, ZephrThrottled, ZephrUnavailable
from jay_sessions.zephr.retries import Failure, wait_after
from project.zephr_demo_sessions import DEMO_SESSIONS

from ..support.zephr_wire import (
    KNOWN,
    answer,
    credentials_of,
    dripping,
    ends_in_time,
    one_after_the_other,
    raw_server,
    resetting,
    sending,
)

pytest_plugins = ["tests.support.zephr_fixtures"]

NOW = 1770541740.0
FAILED = sending(answer(b"", "500 Internal Server Error"))
PASSING = Failure(ZephrUnavailable("It may pass."), may_pass=True)


@pytest.fixture
def waits():
    """The waits between tries, for a `sleep` that does not sleep."""
    return []


@pytest.fixture
def hurried(zephr, connect, waits):
    """Make clients that never sleep, and whose back-off is always the longest one."""

    def make(**options):
        return connect(zephr.base_url, **{"sleep": waits.append, "random": lambda: 1.0, **options})

    return make


# What is sent again.


def test_a_reset_connection_is_retried_with_a_new_nonce(zephr, connect):
    one_after_the_other(zephr, resetting(answer(b"{", Content_Length=100)))
    ticking = iter(range(int(time.time()), int(time.time()) + 10)).__next__
    assert connect(zephr.base_url, clock=ticking).get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
    (first, second) = credentials_of(zephr)
    assert len(zephr.requests) == 2
    for part in (1, 2, 3):  # the timestamp, the nonce, the signature
        assert first[part] != second[part]


@pytest.mark.parametrize("max_attempts", [1, 2, 5])
def test_no_more_tries_are_made_than_allowed(zephr, hurried, waits, max_attempts):
    zephr.fault = FAILED
    with pytest.raises(ZephrUnavailable):
        hurried(max_attempts=max_attempts).get_session(KNOWN)
    assert len(zephr.requests) == max_attempts
    assert len(waits) == max_attempts - 1


@pytest.mark.parametrize(
    ("last", "expected", "words"),
    [
        (sending(answer(b"", "404 Not Found")), ZephrSessionNotFound, "know"),
        (sending(answer(b"", "503 Service Unavailable")), ZephrUnavailable, "503"),
        (sending(answer(b"", "429 Too Many Requests")), ZephrThrottled, "429"),
    ],
    ids=["404", "503", "429"],
)
def test_what_the_last_try_came_to_is_raised(zephr, hurried, last, expected, words):
    one_after_the_other(zephr, FAILED, sending(b""), last)
    with pytest.raises(expected, match=words) as caught:
        hurried().get_session(KNOWN)
    assert len(zephr.requests) == 3
    assert caught.value.__context__ is None


# When.


def test_the_back_off_doubles_up_to_a_cap(zephr, hurried, waits):
    zephr.fault = FAILED
    with pytest.raises(ZephrUnavailable):
        hurried(max_attempts=7, timeout=30).get_session(KNOWN)
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


@pytest.mark.parametrize(("number", "random", "wait"), [(1, 0.0, 0), (3, 0.5, 0.2), (10**6, 1.0, 1)])
def test_the_back_off_is_anything_from_nothing_up(number, random, wait):
    assert wait_after(PASSING, number, 8, lambda: random) == wait


@pytest.mark.parametrize(("time_left", "wait"), [(0.21, 0.1), (0.19, None), (0, None), (-1, None)])
def test_a_try_without_time_to_be_of_use_is_not_made(time_left, wait):
    assert wait_after(PASSING, 1, time_left, lambda: 1.0) == wait


@pytest.mark.parametrize(
    ("status", "wish", "wait"),
    [
        ("429 Too Many Requests", "2", 2.1),
        ("429 Too Many Requests", "0", 0.1),
        ("429 Too Many Requests", email.utils.formatdate(NOW + 3, usegmt=True), 3.1),
        ("500 Internal Server Error", "2", 2.1),
        ("503 Service Unavailable", email.utils.formatdate(NOW - 3, usegmt=True), 0.1),
    ],
)
def test_zephr_is_asked_no_earlier_than_it_wishes(zephr, hurried, status, wish, wait):
    waits = []
    one_after_the_other(zephr, sending(answer(b"", status, Retry_After=wish)), sending(answer(b"{}")))
    assert hurried(clock=lambda: NOW, sleep=waits.append).get_session(KNOWN).raw == {}
    assert waits == [wait]


def test_zephr_is_asked_no_earlier_than_its_limit_ends(zephr, hurried):
    waits = []
    throttled = sending(answer(b"", "429 Too Many Requests", RateLimit_Reset=2))
    one_after_the_other(zephr, throttled, sending(answer(b"{}")))
    assert hurried(sleep=waits.append).get_session(KNOWN).raw == {}
    assert waits == [2.1]


def test_the_end_of_a_limit_is_no_reason_to_wait_after_another_failure(zephr, hurried, waits):
    one_after_the_other(zephr, sending(answer(b"", "503 Service Unavailable", RateLimit_Reset=3600)))
    assert hurried().get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
    assert waits == [0.1]


@pytest.mark.parametrize("wish", ["8", "9" * 400, email.utils.formatdate(NOW + 60, usegmt=True)])
@pytest.mark.parametrize(
    ("status", "expected"),
    [("429 Too Many Requests", ZephrThrottled), ("502 Bad Gateway", ZephrUnavailable)],
)
def test_a_wish_that_does_not_fit_into_the_time_is_told_at_once(zephr, hurried, wish, status, expected):
    zephr.fault = sending(answer(b"", status, Retry_After=wish))
    with pytest.raises(expected):
        hurried(clock=lambda: NOW).get_session(KNOWN)
    assert len(zephr.requests) == 1


def test_a_failing_zephr_whose_wish_cannot_be_read_is_retried_as_any_other(zephr, hurried, waits):
    one_after_the_other(zephr, sending(answer(b"", "503 Service Unavailable", Retry_After="soon")))
    assert hurried().get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
    assert waits == [0.1]


def test_the_last_failure_is_told_rather_than_a_time_out_for_which_nobody_waited(zephr, connect):
    zephr.fault = FAILED
    start = time.monotonic()
    with pytest.raises(ZephrUnavailable):
        connect(zephr.base_url, timeout=3, random=lambda: 35.0).get_session(KNOWN)
    assert time.monotonic() - start < 2.9


def test_all_tries_share_the_time_of_the_call(zephr, connect):
    one_after_the_other(zephr, FAILED, FAILED, dripping(answer(b"", Content_Length=10_000)))
    with ends_in_time(1):
        connect(zephr.base_url, timeout=1).get_session(KNOWN)
    assert len(zephr.requests) == 3


# Connections that were kept open.


def test_a_connection_that_ends_as_it_is_used_again_is_replaced_without_waiting(connect, waits):
    def once_per_connection(connection, stopping):
        connection.recv(65536)
        connection.sendall(answer(b"{}"))
        connection.recv(65536)

    attempts = []
    with raw_server(once_per_connection) as address:
        options = {"sleep": waits.append, "random": lambda: 1.0, "observe": attempts.append}
        client = connect(f"http://{address}", **options)
        with contextlib.closing(client):
            assert [client.get_session(KNOWN).raw for _ in range(2)] == [{}, {}]
    assert [attempt.outcome for attempt in attempts] == ["OK", "ZEPHR_UNAVAILABLE", "OK"]
    assert waits == [0]


def test_a_new_connection_that_breaks_off_is_waited_for(zephr, hurried, waits):
    one_after_the_other(zephr, sending(b""))
    assert hurried().get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
    assert waits == [0.1]


def test_another_try_uses_none_of_the_connections_that_were_kept_open(zephr, connect):
    client, both = connect(zephr.base_url), threading.Barrier(2)

    def together(handler):
        both.wait(10)
        handler.close_connection = False
        handler.connection.sendall(answer(b"{}"))

    zephr.fault = together
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert [session.raw for session in pool.map(client.get_session, [KNOWN] * 2)] == [{}, {}]
    kept = {seen.client for seen in zephr.requests}
    one_after_the_other(zephr, FAILED)
    client.get_session(KNOWN)
    *_, failed, retried = [seen.client for seen in zephr.requests]
    assert len(kept) == 2
    assert failed in kept
    assert retried not in kept
