"""The call itself: attempts, circuit, log and signals."""

import concurrent.futures
import logging
import re
import time
from threading import Thread

import pytest

from jay_sessions.exceptions import (
    ZephrCircuitOpen,
    ZephrCredentialsRejected,
    ZephrError,
    ZephrSessionNotFound,
    ZephrTimeout,
    ZephrUnavailable,
)
from jay_sessions.signals import zephr_answered, zephr_attempted
from jay_sessions.zephr import gateway, upstream
from jay_sessions.zephr.gateway import LookupResult, Source
from project.zephr_demo_sessions import DEMO_SESSIONS

from ..conftest import until
from ..support.zephr_held import Held, refusing, waiting
from ..support.zephr_wire import one_after_the_other

pytest_plugins = ["tests.support.zephr_gateway_fixtures"]

KNOWN, OTHER = list(DEMO_SESSIONS)[:2]


@pytest.fixture
def said(caplog):
    """The lines of our log, with their levels."""
    caplog.set_level(logging.INFO, logger="jay_sessions.zephr")
    return lambda: [
        f"{r.levelname} {r.getMessage()}" for r in caplog.records if r.name == "jay_sessions.zephr"
    ]


@pytest.fixture
def received():
    """What was sent by the signal of an attempt and by that of an answer."""
    attempts, answers = [], []

    def attempted(sender, signal, **kwargs):
        attempts.append(kwargs)

    def answered(sender, signal, **kwargs):
        assert sender is LookupResult
        answers.append(kwargs)

    zephr_attempted.connect(attempted)
    zephr_answered.connect(answered)
    yield attempts, answers
    zephr_attempted.disconnect(attempted)
    zephr_answered.disconnect(answered)


def outcome(session_id=KNOWN):
    try:
        return gateway.look_up(session_id).source
    except ZephrError as error:
        return type(error)


def test_a_call_makes_as_many_attempts_as_the_setting_says(stand_in, set_zephr):
    for attempts in (1, 2):
        set_zephr(stand_in.base_url, MAX_ATTEMPTS=attempts)
        stand_in.requests.clear()
        stand_in.fault = refusing()
        assert outcome() is ZephrUnavailable
        assert len(stand_in.requests) == attempts


def test_each_attempt_leaves_a_line_without_the_id(stand_in, set_zephr, said):
    set_zephr(stand_in.base_url, MAX_ATTEMPTS=2)
    one_after_the_other(stand_in, refusing())
    gateway.look_up(KNOWN)
    gateway.look_up(KNOWN)
    assert outcome("nobody") is ZephrSessionNotFound
    stand_in.stop()
    assert outcome(OTHER) is ZephrUnavailable
    refused = "(Zephr cannot be reached, or broke off: Connection refused)"
    expected = [
        "WARNING Zephr call, attempt 1: ZEPHR_UNAVAILABLE, status 500, after",
        "INFO Zephr call, attempt 2: OK, status 200, after",
        "INFO Zephr call, attempt 1: ZEPHR_SESSION_NOT_FOUND, status 404, after",
        f"WARNING Zephr call, attempt 1: ZEPHR_UNAVAILABLE, no status, after {refused}",
        f"WARNING Zephr call, attempt 2: ZEPHR_UNAVAILABLE, no status, after {refused}",
    ]
    assert [re.sub(r" \d+ ms", "", line) for line in said()] == expected
    stand_in.start()


def test_a_clock_that_is_off_is_named_in_the_log(stand_in, said):
    stand_in.clock = lambda: time.time() + 4000
    assert issubclass(outcome(), ZephrCredentialsRejected)
    assert re.search(r"ERROR .*clock is \S+ seconds behind", said()[-1])


def test_failures_in_a_row_open_the_circuit_and_a_probe_closes_it(stand_in, set_zephr, said):
    set_zephr(stand_in.base_url, CIRCUIT_FAILURES=2, CIRCUIT_TIMEOUT=0.5)
    stand_in.fault = refusing()
    assert [outcome() for _ in range(2)] == [ZephrUnavailable] * 2
    with pytest.raises(ZephrCircuitOpen) as caught:
        gateway.look_up(KNOWN)
    assert (caught.value.code, caught.value.retry_after) == ("ZEPHR_UNAVAILABLE", 1)
    assert caught.value.__context__ is None
    # The two calls, and the question whether Zephr is there.
    assert len(stand_in.requests) == 3
    time.sleep(0.55)
    assert [outcome(), outcome()] == [ZephrUnavailable, ZephrCircuitOpen]
    until(lambda: len(stand_in.requests) == 5)
    stand_in.fault = None
    time.sleep(1)
    assert [outcome(), outcome(OTHER)] == [Source.MISS] * 2
    assert [line for line in said() if "circuit" in line] == [
        "WARNING The circuit to Zephr is open",
        "INFO The circuit to Zephr is half-open",
        "WARNING The circuit to Zephr is open",
        "INFO The circuit to Zephr is half-open",
        "INFO The circuit to Zephr is closed",
    ]


def test_time_outs_open_the_circuit_for_whole_seconds_rounded_up(stand_in, set_zephr):
    set_zephr(stand_in.base_url, TIMEOUT=0.1, CONNECT_TIMEOUT=0.1, CIRCUIT_FAILURES=1, CIRCUIT_TIMEOUT=6.5)
    stand_in.fault = lambda handler: stand_in.stopping.wait(5)
    assert outcome() is ZephrTimeout
    with pytest.raises(ZephrCircuitOpen) as caught:
        gateway.look_up(KNOWN)
    assert caught.value.retry_after == 7


@pytest.mark.parametrize("status", ["404 Not", "401 No", "429 Too", "418 Teapot", "200 OK"])
def test_whatever_zephr_answers_keeps_the_circuit_closed(stand_in, set_zephr, status):
    set_zephr(stand_in.base_url, CIRCUIT_FAILURES=2, CACHE_TIMEOUT=0, NOT_FOUND_CACHE_TIMEOUT=0)
    for _ in range(3):
        one_after_the_other(stand_in, refusing(), refusing(status))
        assert outcome() is ZephrUnavailable
        assert outcome() is not ZephrCircuitOpen
    assert len(stand_in.requests) == 6


def failing_for(session_id, fault):
    """A fault: this one session's, while Zephr answers as ever for all others."""

    def answer(handler):
        target = handler.requestline.split(" ")[1]
        if target.endswith(session_id):
            fault(handler)
        else:
            answer_unknown(handler)

    answer_unknown = refusing("404 Not Found")
    return answer


def hanging(handler):
    handler.server.stand_in.stopping.wait(5)


@pytest.mark.parametrize("fault", [refusing(), refusing("503 Service Unavailable"), hanging])
def test_no_single_session_opens_the_circuit(stand_in, set_zephr, said, fault):
    set_zephr(stand_in.base_url, CIRCUIT_FAILURES=3, TIMEOUT=0.3, CONNECT_TIMEOUT=0.2)
    stand_in.fault = failing_for("bad", fault)
    for _ in range(4):
        assert {outcome("bad") for _ in range(3)} <= {ZephrUnavailable, ZephrTimeout}
        assert outcome("nobody") is ZephrSessionNotFound
    assert not [line for line in said() if "circuit" in line]


def test_with_a_second_opinion_the_count_begins_anew(stand_in, set_zephr):
    set_zephr(stand_in.base_url, CIRCUIT_FAILURES=10)
    stand_in.fault = failing_for("bad", refusing())
    assert {outcome("bad") for _ in range(30)} == {ZephrUnavailable}
    until(lambda: sum(not seen.path.endswith("bad") for seen in stand_in.requests) >= 3)
    assert sum(not seen.path.endswith("bad") for seen in stand_in.requests) == 3
    assert len({seen.path for seen in stand_in.requests}) == 4


def test_a_probe_with_a_bad_session_does_not_keep_the_circuit_open(stand_in, set_zephr):
    set_zephr(stand_in.base_url, CIRCUIT_FAILURES=1, CIRCUIT_TIMEOUT=3)
    stand_in.fault = refusing()
    assert [outcome("bad"), outcome("bad")] == [ZephrUnavailable, ZephrCircuitOpen]
    stand_in.fault = failing_for("bad", refusing())
    time.sleep(3.1)
    assert outcome("bad") is ZephrUnavailable
    start = time.monotonic()
    until(lambda: outcome("nobody") is ZephrSessionNotFound)
    assert time.monotonic() - start < 2


def test_who_calls_does_not_wait_for_the_second_opinion(stand_in, set_zephr):
    set_zephr(stand_in.base_url, CIRCUIT_FAILURES=1)

    def fault(handler):
        (refusing() if handler.requestline.split(" ")[1].endswith("bad") else hanging)(handler)

    stand_in.fault = fault
    start = time.monotonic()
    assert outcome("bad") is ZephrUnavailable
    assert time.monotonic() - start < 1
    # Others wait for it, but not for long.
    assert outcome("bad") is ZephrUnavailable
    assert time.monotonic() - start < 1.8
    until(lambda: outcome("bad") is ZephrCircuitOpen)
    assert sum(not seen.path.endswith("bad") for seen in stand_in.requests) == 1


def test_where_no_thread_can_be_had_the_next_failure_asks_again(stand_in, set_zephr, monkeypatch):
    set_zephr(stand_in.base_url, CIRCUIT_FAILURES=1)
    stand_in.fault = refusing()
    with monkeypatch.context() as patch:
        patch.setattr(upstream.threading, "Thread", no_thread_for_an_opinion)
        assert outcome() is ZephrUnavailable
    assert outcome() is ZephrUnavailable
    until(lambda: outcome() is ZephrCircuitOpen)


def no_thread_for_an_opinion(*, name, **kwargs):
    if name.endswith("opinion"):
        raise RuntimeError("can't start new thread")
    return Thread(name=name, **kwargs)


def test_0_failures_switch_the_circuit_off(stand_in, set_zephr):
    set_zephr(stand_in.base_url, CIRCUIT_FAILURES=0)
    stand_in.fault = refusing()
    assert {outcome() for _ in range(20)} == {ZephrUnavailable}


def test_changed_settings_begin_with_a_closed_circuit(stand_in, set_zephr):
    set_zephr(stand_in.base_url, CIRCUIT_FAILURES=1)
    stand_in.fault = refusing()
    assert [outcome(), outcome()] == [ZephrUnavailable, ZephrCircuitOpen]
    set_zephr(stand_in.base_url, CIRCUIT_FAILURES=1, CIRCUIT_TIMEOUT=60)
    assert outcome() is ZephrUnavailable


def test_while_a_probe_is_under_way_others_are_refused_and_not_held_up(stand_in, set_zephr):
    set_zephr(stand_in.base_url, CIRCUIT_FAILURES=1, CIRCUIT_TIMEOUT=0.1)
    stand_in.fault = refusing()
    assert outcome() is ZephrUnavailable
    time.sleep(0.15)
    stand_in.fault = held = Held.session({})
    asked = len(stand_in.requests)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        probe = pool.submit(outcome)
        until(lambda: len(stand_in.requests) > asked)
        assert outcome(OTHER) is ZephrCircuitOpen
        held.go_on.set()
        assert probe.result() is Source.MISS
    assert outcome(OTHER) is Source.MISS


def test_a_signal_tells_of_each_attempt(stand_in, set_zephr, received):
    attempts, _ = received
    set_zephr(stand_in.base_url, MAX_ATTEMPTS=2)
    one_after_the_other(stand_in, refusing())
    gateway.look_up(KNOWN)
    seconds = [attempt.pop("seconds") for attempt in attempts]
    assert all(0 < each < 5 for each in seconds)
    assert attempts == [
        {"number": 1, "outcome": "ZEPHR_UNAVAILABLE", "status": 500},
        {"number": 2, "outcome": "OK", "status": 200},
    ]


def test_a_signal_tells_of_each_answer(stand_in, set_zephr, received):
    _, answers = received
    set_zephr(stand_in.base_url, CIRCUIT_FAILURES=1)
    for session_id in (KNOWN, KNOWN, "nobody", "nobody"):
        outcome(session_id)
    stand_in.fault = refusing()
    outcome(OTHER)
    outcome(OTHER)
    assert all(0 <= answer["seconds"] < 5 for answer in answers)
    assert [(answer["outcome"], answer["source"]) for answer in answers] == [
        ("OK", Source.MISS),
        ("OK", Source.HIT),
        ("ZEPHR_SESSION_NOT_FOUND", Source.MISS),
        ("ZEPHR_SESSION_NOT_FOUND", Source.HIT),
        ("ZEPHR_UNAVAILABLE", Source.MISS),
        ("ZEPHR_UNAVAILABLE", Source.MISS),
    ]


def test_who_waited_for_another_thread_is_told_of_as_such(stand_in, received):
    _, answers = received
    stand_in.fault = held = Held.session({})
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(outcome) for _ in range(3)]
        until(lambda: gateway._processes and waiting(next(iter(gateway._processes.values())).flights) == 2)
        held.go_on.set()
        for future in asked:
            future.result()
    assert sorted(answer["source"] for answer in answers) == [Source.MISS, Source.SHARED, Source.SHARED]


def test_a_receiver_that_raises_breaks_nothing_and_is_logged(stand_in, caplog):
    raised = []

    def raising(signal, **kwargs):
        raised.append(signal)
        raise ZeroDivisionError

    for signal in (zephr_attempted, zephr_answered):
        signal.connect(raising)
    try:
        assert outcome() is Source.MISS
    finally:
        for signal in (zephr_attempted, zephr_answered):
            signal.disconnect(raising)
    # On a busy machine, a second attempt may be needed.
    assert {*raised} == {zephr_attempted, zephr_answered}
    assert sum(record.name == "django.dispatch" for record in caplog.records) == len(raised)
