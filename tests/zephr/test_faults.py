"""Each fault against a real socket: for good, and only the first time."""

import logging
import os
import time
import tracemalloc
from pathlib import Path

import pytest

from jay_sessions.exceptions import ZephrError
from jay_sessions.zephr.session import ZephrSession
from project.zephr_demo_sessions import DEMO_SESSIONS

from ..support.zephr_faults import ALWAYS, FAULTS, UPSTREAM_WORDS
from ..support.zephr_wire import ACCESS_KEY, KNOWN, SECRET_KEY, credentials_of, everything_said

pytest_plugins = ["tests.support.zephr_fixtures"]

MAX_MEMORY = 8 * 2**20
MARGIN_SECONDS = 5  # for slow machines


@pytest.fixture
def row():
    """Add a row to the Markdown table at JAY_FAULT_TABLE, if that is set."""
    path = os.environ.get("JAY_FAULT_TABLE")

    def add(*cells):
        if path:
            with Path(path).open("a", encoding="utf-8") as table:
                table.write(f"| {' | '.join(map(str, cells))} |\n")

    return add


@pytest.fixture
def traced():
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.fixture
def ask(connect, trusting):
    """Ask for a session; gives it, or the exception, and what an observer saw."""

    def ask(base_url, timeout):
        attempts = []
        client = connect(base_url, timeout=timeout, session=trusting, observe=attempts.append)
        try:
            return client.get_session(KNOWN), attempts
        except ZephrError as error:
            return error, attempts

    return ask


def secrets_of(zephr):
    signatures = [signature for *_, signature in credentials_of(zephr)]
    return [SECRET_KEY, ACCESS_KEY, UPSTREAM_WORDS, *signatures]


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_in_time_and_without_secrets_and_retried_if_it_may_pass(
    name, zephr, ask, caplog, row
):
    caplog.set_level(logging.DEBUG)
    fault, start = FAULTS[name], time.monotonic()

    with fault.happening(zephr, ALWAYS) as base_url:
        error, attempts = ask(base_url, fault.timeout)
    seconds, peak = time.monotonic() - start, tracemalloc.get_traced_memory()[1]
    assert type(error) is fault.error
    assert {attempt.outcome for attempt in attempts} == {fault.error.code}
    assert (len(attempts) > 1) is fault.retried
    assert seconds < fault.timeout + MARGIN_SECONDS
    assert peak < MAX_MEMORY

    with fault.happening(zephr, 1) as base_url:
        once, attempts_once = ask(base_url, fault.timeout)
        healthy, _ = ask(base_url, fault.timeout)
    outcomes = [attempt.outcome for attempt in attempts_once]
    assert type(once) is (ZephrSession if fault.retried else fault.error)
    assert outcomes == ([fault.error.code, "OK"] if fault.retried else [fault.error.code])
    assert healthy.raw == DEMO_SESSIONS[KNOWN]

    nonces = [nonce for _, _, nonce, _ in credentials_of(zephr)]
    assert len(set(nonces)) == len(nonces) > 0
    said = everything_said(error, caplog) + repr(attempts)
    assert not [secret for secret in secrets_of(zephr) if secret in said]
    after = "a session, by the second try" if fault.retried else fault.error.__name__
    row(name, fault.error.__name__, len(attempts), round(seconds * 1000), after)
