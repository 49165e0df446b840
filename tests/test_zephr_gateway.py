import concurrent.futures
import contextlib
import logging
import os
import re
import traceback

import pytest
import time_machine
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache

from jay_sessions.exceptions import (
    InvalidValue,
    ZephrBadResponse,
    ZephrCredentialsRejected,
    ZephrError,
    ZephrNotConfigured,
    ZephrSessionNotFound,
    ZephrThrottled,
    ZephrTimeout,
    ZephrUnavailable,
)
from jay_sessions.zephr import gateway
from project.zephr_demo_sessions import DEMO_SESSIONS
from project.zephr_stand_in import ZephrStandIn

ACCESS_KEY, SECRET_KEY = "gateway-access-key", "gateway-secret-key"
KNOWN, OTHER = list(DEMO_SESSIONS)[:2]
BROKEN_CACHE = {"default": {"BACKEND": "tests.test_zephr_gateway.BrokenCache"}}


class BrokenCache(BaseCache):
    """A cache that is down, and whose exceptions name its password."""

    def __init__(self, location, params):
        super().__init__(params)

    def get(self, key, default=None, version=None):
        raise ConnectionError("redis://:cache-password@cache:6379")

    set = get


class RecordingCache(BaseCache):
    """A cache that keeps what it is given, together with the timeout."""

    entries: dict = {}

    def __init__(self, location, params):
        super().__init__(params)

    def get(self, key, default=None, version=None):
        return self.entries.get(key, (default,))[0]

    def set(self, key, value, timeout=None, version=None):
        self.entries[key] = (value, timeout)


@pytest.fixture(autouse=True)
def _no_client_is_left():
    yield
    gateway._client.cache_clear()


@pytest.fixture
def configure(settings):
    """Set the ZEPHR setting for one test."""

    def change(base_url, **options):
        pair = {"ACCESS_KEY": ACCESS_KEY, "SECRET_KEY": SECRET_KEY}
        settings.JAY_SESSIONS = {"ZEPHR": {"BASE_URL": base_url, **pair, **options}}

    return change


@pytest.fixture
def zephr(configure):
    with ZephrStandIn(ACCESS_KEY, SECRET_KEY) as stand_in:
        configure(stand_in.base_url)
        yield stand_in


@pytest.fixture
def recorded(settings, monkeypatch):
    """The entries of the cache, as a dict of keys to values and timeouts."""
    monkeypatch.setattr(RecordingCache, "entries", {})
    settings.CACHES = {"default": {"BACKEND": "tests.test_zephr_gateway.RecordingCache"}}
    return RecordingCache.entries


def asked_for(zephr, session_id):
    return sum(seen.path == f"/v3/sessions/{session_id}" for seen in zephr.requests)


def refusing(handler):
    handler.connection.sendall(b"HTTP/1.1 500 Error\r\nContent-Length: 0\r\n\r\n")


def test_a_session_comes_from_zephr(zephr):
    session = gateway.get_session(KNOWN)
    assert session.raw == DEMO_SESSIONS[KNOWN]
    assert session.tenant_id == "demo"


@pytest.mark.parametrize("value", [{}, None])
def test_without_the_setting_zephr_is_not_configured(settings, value):
    settings.JAY_SESSIONS = {"ZEPHR": value}
    with pytest.raises(ZephrNotConfigured):
        gateway.get_session(KNOWN)


@pytest.mark.parametrize("session_id", ["", ".", "..", "a\nb", "x" * 256, "\ud800"])
def test_an_id_that_cannot_be_one_is_refused_before_the_cache_is_asked(zephr, settings, caplog, session_id):
    settings.CACHES = BROKEN_CACHE
    with pytest.raises(InvalidValue):
        gateway.get_session(session_id)
    assert not caplog.records
    assert not zephr.requests


def test_a_session_that_was_asked_for_a_moment_ago_comes_from_the_cache(zephr):
    first = gateway.get_session(KNOWN)
    zephr.fault = refusing
    assert gateway.get_session(KNOWN) == first
    assert len(zephr.requests) == 1


def test_an_unknown_session_is_remembered_too(zephr):
    for _ in range(2):
        with pytest.raises(ZephrSessionNotFound):
            gateway.get_session("nobody")
    assert len(zephr.requests) == 1


def test_each_session_is_remembered_by_itself(zephr):
    for _ in range(2):
        assert gateway.get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
        assert gateway.get_session(OTHER).raw == DEMO_SESSIONS[OTHER]
    assert len(zephr.requests) == 2


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (b"301 Moved", ZephrBadResponse),
        (b"401 Unauthorized", ZephrCredentialsRejected),
        (b"429 Too Many Requests", ZephrThrottled),
        (b"500 Internal Server Error", ZephrUnavailable),
    ],
)
def test_no_other_error_is_remembered(zephr, recorded, status, expected):
    zephr.fault = lambda handler: handler.connection.sendall(
        b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"
    )
    with pytest.raises(expected):
        gateway.get_session(KNOWN)
    assert not recorded
    zephr.fault = None
    assert gateway.get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]


def test_a_time_out_is_as_long_as_the_settings_say_and_not_remembered(zephr, configure, recorded):
    configure(zephr.base_url, TIMEOUT=0.2, CONNECT_TIMEOUT=0.1)
    zephr.fault = lambda handler: zephr.stopping.wait(10)
    with pytest.raises(ZephrTimeout):
        gateway.get_session(KNOWN)
    assert not recorded


def test_answers_are_kept_for_30_seconds_and_a_404_for_5_by_default(zephr, recorded):
    gateway.get_session(KNOWN)
    with pytest.raises(ZephrSessionNotFound):
        gateway.get_session("nobody")
    assert [timeout for _, timeout in recorded.values()] == [30, 5]


def test_an_answer_is_forgotten_after_its_time(zephr, configure, settings):
    # A cache in another process has a clock of its own.
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    configure(zephr.base_url, CACHE_TIMEOUT=7, NOT_FOUND_CACHE_TIMEOUT=3)
    with time_machine.travel("2026-01-01T12:00:00Z") as clock:
        for second, asked, asked_for_nobody in ((0, 1, 1), (2, 1, 1), (4, 1, 2), (6, 1, 2), (8, 2, 3)):
            clock.move_to(f"2026-01-01T12:00:{second:02}Z", tick=True)
            gateway.get_session(KNOWN)
            with pytest.raises(ZephrSessionNotFound):
                gateway.get_session("nobody")
            assert asked_for(zephr, KNOWN) == asked
            assert asked_for(zephr, "nobody") == asked_for_nobody


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({"CACHE_TIMEOUT": 0}, {KNOWN: 2, "nobody": 1}),
        ({"NOT_FOUND_CACHE_TIMEOUT": 0}, {KNOWN: 1, "nobody": 2}),
        ({"CACHE_TIMEOUT": 0, "NOT_FOUND_CACHE_TIMEOUT": 0}, {KNOWN: 2, "nobody": 2}),
    ],
)
def test_a_timeout_of_0_switches_its_caching_off(zephr, configure, options, calls):
    configure(zephr.base_url, **options)
    for _ in range(2):
        gateway.get_session(KNOWN)
        with pytest.raises(ZephrSessionNotFound):
            gateway.get_session("nobody")
    assert {session_id: asked_for(zephr, session_id) for session_id in calls} == calls


def test_what_was_cached_before_the_caching_was_switched_off_is_not_used(zephr, configure):
    gateway.get_session(KNOWN)
    with pytest.raises(ZephrSessionNotFound):
        gateway.get_session("nobody")
    for options in ({"CACHE_TIMEOUT": 0}, {"NOT_FOUND_CACHE_TIMEOUT": 0}):
        configure(zephr.base_url, **options)
        gateway.get_session(KNOWN)
        with pytest.raises(ZephrSessionNotFound):
            gateway.get_session("nobody")
    assert len(zephr.requests) == 4


def test_another_key_pair_does_not_see_what_was_cached_for_this_one(zephr, configure):
    gateway.get_session(KNOWN)
    configure(zephr.base_url, ACCESS_KEY="other")
    with pytest.raises(ZephrCredentialsRejected):
        gateway.get_session(KNOWN)


def test_another_zephr_has_a_cache_of_its_own(zephr, configure):
    gateway.get_session(KNOWN)
    with ZephrStandIn(ACCESS_KEY, SECRET_KEY, {KNOWN: {"v": 9}}) as other:
        configure(other.base_url)
        assert gateway.get_session(KNOWN).v == 9


@pytest.mark.parametrize("session_id", ["some one", "ä" * 255, "a:b\\c%", KNOWN])
def test_a_key_of_the_cache_is_short_and_plain_and_does_not_tell_the_id(zephr, recorded, session_id):
    zephr.sessions = {session_id: {}}
    gateway.get_session(session_id)
    (key,) = recorded
    assert re.fullmatch(r"jay_sessions\.zephr\.[0-9a-f]{64}", key)


@pytest.mark.parametrize("entry", ["text", 7, [], {}, {"raw": "text"}, {"raw": [1]}])
def test_something_else_under_the_key_counts_as_nothing(zephr, recorded, entry):
    gateway.get_session(KNOWN)
    (key,) = recorded
    recorded[key] = (entry, None)
    assert gateway.get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
    assert len(zephr.requests) == 2


def test_what_a_caller_does_to_an_answer_does_not_change_the_cached_one(zephr):
    gateway.get_session(KNOWN).raw.clear()
    assert gateway.get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]


@pytest.mark.parametrize(("session_id", "expected"), [(KNOWN, None), ("nobody", ZephrSessionNotFound)])
def test_a_cache_that_is_down_is_done_without(zephr, settings, caplog, session_id, expected):
    settings.CACHES = BROKEN_CACHE
    if expected is None:
        assert gateway.get_session(session_id).raw == DEMO_SESSIONS[session_id]
    else:
        with pytest.raises(expected):
            gateway.get_session(session_id)
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings == ["The cache failed, Zephr is asked instead: ConnectionError"] * 2
    assert "cache-password" not in caplog.text


def test_the_calls_of_one_process_share_a_connection(zephr):
    gateway.get_session(KNOWN)
    gateway.get_session(OTHER)
    assert len({seen.client for seen in zephr.requests}) == 1


def test_threads_share_the_client(zephr, configure):
    configure(zephr.base_url, CACHE_TIMEOUT=0)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        sessions = list(pool.map(gateway.get_session, [KNOWN] * 40))
    assert all(session.raw == DEMO_SESSIONS[KNOWN] for session in sessions)
    assert gateway._client.cache_info().currsize == 1


def test_after_a_fork_there_is_another_client(zephr, monkeypatch):
    gateway.get_session(KNOWN)
    monkeypatch.setattr(os, "getpid", lambda: 1)
    gateway.get_session(OTHER)
    assert len({seen.client for seen in zephr.requests}) == 2


def test_changed_settings_make_another_client(zephr, configure):
    gateway.get_session(KNOWN)
    with ZephrStandIn("other-access-key", "other-secret-key") as other:
        configure(other.base_url, ACCESS_KEY="other-access-key", SECRET_KEY="other-secret-key")
        assert gateway.get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
        assert len(other.requests) == 1


@pytest.mark.parametrize(
    ("session_id", "fault", "line"),
    [
        (KNOWN, None, "INFO Zephr call: OK after"),
        ("nobody", None, "INFO Zephr call: ZEPHR_SESSION_NOT_FOUND after"),
        (KNOWN, refusing, "WARNING Zephr call: ZEPHR_UNAVAILABLE after"),
    ],
)
def test_each_call_leaves_a_line_in_the_log(zephr, caplog, session_id, fault, line):
    caplog.set_level(logging.INFO, logger="jay_sessions.zephr")
    zephr.fault = fault
    for _ in range(2):
        with contextlib.suppress(ZephrError):
            gateway.get_session(session_id)
    lines = [f"{r.levelname} {r.getMessage()}" for r in caplog.records if r.name == "jay_sessions.zephr"]
    assert len(lines) == len(zephr.requests)
    assert all(re.fullmatch(rf"{line} \d+ ms", text) for text in lines)


def test_neither_the_log_nor_an_error_holds_a_key_a_signature_or_the_id(zephr, caplog):
    caplog.set_level(logging.DEBUG, logger="jay_sessions")
    zephr.fault = refusing
    with pytest.raises(ZephrUnavailable) as caught:
        gateway.get_session(KNOWN)
    said = caplog.text + "".join(traceback.format_exception(caught.value))
    signature = zephr.requests[-1].headers["Authorization"].rpartition(":")[2]
    for secret in (ACCESS_KEY, SECRET_KEY, signature, KNOWN):
        assert secret not in said


def test_the_cache_of_the_site_works_as_it_comes(zephr):
    gateway.get_session(KNOWN)
    cache.clear()
    gateway.get_session(KNOWN)
    assert len(zephr.requests) == 2
