"""What an observer of the tries is told."""

import contextlib
import dataclasses
import logging
import threading
import time

import pytest

from jay_sessions.exceptions import InvalidValue, ZephrError, ZephrTimeout
from jay_sessions.zephr.client import Attempt
from project.zephr_demo_sessions import DEMO_SESSIONS

from ..support.zephr_wire import KNOWN, answer, dripping, one_after_the_other, sending

pytest_plugins = ["tests.support.zephr_fixtures"]


@pytest.fixture
def attempts():
    return []


@pytest.fixture
def watched(zephr, connect, attempts):
    return connect(zephr.base_url, observe=attempts.append, timeout=1)


def told(attempts):
    return [(attempt.number, attempt.outcome, attempt.status) for attempt in attempts]


def test_each_try_is_told_with_its_number_its_outcome_and_the_status(zephr, watched, attempts):
    one_after_the_other(zephr, sending(b""), sending(answer(b"", "502 Bad Gateway")))
    watched.get_session(KNOWN)
    assert told(attempts) == [(1, "ZEPHR_UNAVAILABLE", None), (2, "ZEPHR_UNAVAILABLE", 502), (3, "OK", 200)]


@pytest.mark.parametrize(
    ("fault", "attempt"),
    [
        (sending(answer(b"", "404 Not Found")), (1, "ZEPHR_SESSION_NOT_FOUND", 404)),
        (sending(answer(b"", "401 Unauthorized")), (1, "ZEPHR_CREDENTIALS_REJECTED", 401)),
        (sending(answer(b"[]")), (1, "ZEPHR_BAD_RESPONSE", 200)),
        (sending(answer(b"{}", A="b\rc")), (1, "ZEPHR_BAD_RESPONSE", 200)),
        (dripping(answer(b"", Content_Length=100), b""), (1, "ZEPHR_TIMEOUT", 200)),
        (dripping(b"HTTP/1.1 2"), (1, "ZEPHR_TIMEOUT", None)),
    ],
)
def test_the_status_is_told_wherever_one_came(zephr, watched, attempts, fault, attempt):
    zephr.fault = fault
    with pytest.raises(ZephrError):
        watched.get_session(KNOWN)
    assert told(attempts) == [attempt]


def test_each_try_is_told_with_its_own_duration_and_without_the_wait_before_it(zephr, connect, attempts):
    def late(handler):
        time.sleep(0.2)
        handler.connection.sendall(answer(b"", "500 Internal Server Error"))

    one_after_the_other(zephr, late)
    connect(zephr.base_url, observe=attempts.append, sleep=lambda _: time.sleep(1.5)).get_session(KNOWN)
    first, second = attempts
    assert 0.2 <= first.seconds < 1.5
    assert 0 < second.seconds < 1.5


def test_an_observer_is_called_in_the_thread_of_the_call_before_it_ends(zephr, connect):
    threads = []
    connect(zephr.base_url, observe=lambda _: threads.append(threading.get_ident())).get_session(KNOWN)
    assert threads == [threading.get_ident()]


def test_an_observer_that_fails_is_logged_by_name_and_breaks_nothing(zephr, connect, caplog):
    def fail(attempt):
        raise RuntimeError("words of the observer")

    one_after_the_other(zephr, sending(answer(b"", "500 Internal Server Error")))
    with caplog.at_level(logging.WARNING, "jay_sessions.zephr"):
        session = connect(zephr.base_url, observe=fail).get_session(KNOWN)
    assert session.raw == DEMO_SESSIONS[KNOWN]
    ours = [record.getMessage() for record in caplog.records if record.name == "jay_sessions.zephr"]
    assert ours == ["The observer of Zephr calls failed: RuntimeError"] * 2
    assert "words of the observer" not in caplog.text


def test_nothing_is_told_of_a_call_that_sends_nothing(watched, attempts):
    with pytest.raises(InvalidValue):
        watched.get_session("..")
    assert attempts == []


def test_a_try_without_any_time_is_told_too(zephr, connect, attempts):
    with pytest.raises(ZephrTimeout):
        connect(zephr.base_url, timeout=1e-9, observe=attempts.append).get_session(KNOWN)
    assert told(attempts) == [(1, "ZEPHR_TIMEOUT", None)]


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "401 Unauthorized", "503 Service Unavailable"])
def test_how_far_the_clock_is_ahead_is_told_with_any_status(zephr, connect, attempts, status):
    zephr.fault = sending(answer(b"{}", status, Date="Mon, 09 Feb 2026 10:00:00 GMT"))
    clock = iter([1770631203.0, 1770631204.0]).__next__  # 3 and 4 seconds later
    with contextlib.suppress(ZephrError):
        connect(zephr.base_url, clock=clock, max_attempts=1, observe=attempts.append).get_session(KNOWN)
    assert [attempt.skew for attempt in attempts] == [3.5]


@pytest.mark.parametrize("fault", [sending(answer(b"{}")), sending(answer(b"{}", Date="now")), sending(b"")])
def test_without_a_date_nothing_is_told_of_clocks(zephr, connect, attempts, fault):
    zephr.fault = fault
    with contextlib.suppress(ZephrError):
        connect(zephr.base_url, max_attempts=1, observe=attempts.append).get_session(KNOWN)
    assert [attempt.skew for attempt in attempts] == [None]


def test_an_attempt_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Attempt(1, "OK", 0.1, 200).outcome = "else"
