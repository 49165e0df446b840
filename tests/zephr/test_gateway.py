import concurrent.futures
import logging
import os
import traceback

import pytest
import time_machine
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache

from jay_sessions.exceptions import (
    InvalidValue,
    ZephrBadResponse,
    ZephrCredentialsRejected,
    ZephrNotConfigured,
    ZephrSessionNotFound,
    ZephrThrottled,
    ZephrTimeout,
    ZephrUnavailable,
)
from jay_sessions.zephr import gateway
from jay_sessions.zephr.gateway import Source
from project.zephr_demo_sessions import DEMO_SESSIONS
from project.zephr_stand_in import ZephrStandIn

from ..support.zephr_held import LOCAL_CACHE, refusing
from ..support.zephr_wire import ACCESS_KEY, SECRET_KEY

pytest_plugins = ["tests.support.zephr_gateway_fixtures"]

KNOWN, OTHER = list(DEMO_SESSIONS)[:2]
BROKEN_CACHE = {"default": {"BACKEND": "tests.zephr.test_entries.BrokenCache"}}


class RecordingCache(BaseCache):
    """A cache that keeps what it is given, together with the timeout."""

    entries: dict = {}

    def __init__(self, location, params):
        super().__init__(params)

    def get(self, key, default=None, version=None):
        return self.entries.get(key, (default,))[0]

    def set(self, key, value, timeout=None, version=None):
        self.entries[key] = (value, timeout)

    def add(self, key, value, timeout=None, version=None):
        return self.entries.setdefault(key, (value, timeout))[0] == value

    def delete(self, key, version=None):
        self.entries.pop(key, None)


@pytest.fixture
def recorded(settings, monkeypatch):
    """The entries of the cache, as a dict of keys to values and timeouts."""
    monkeypatch.setattr(RecordingCache, "entries", {})
    settings.CACHES = {"default": {"BACKEND": "tests.zephr.test_gateway.RecordingCache"}}
    return RecordingCache.entries


def asked_for(stand_in, session_id):
    return sum(seen.path == f"/v3/sessions/{session_id}" for seen in stand_in.requests)


def test_a_session_comes_from_zephr(stand_in):
    session = gateway.get_session(KNOWN)
    assert session.raw == DEMO_SESSIONS[KNOWN]
    assert session.tenant_id == "demo"


@pytest.mark.parametrize("value", [{}, None])
def test_without_the_setting_zephr_is_not_configured(settings, value):
    settings.JAY_SESSIONS = {"ZEPHR": value}
    with pytest.raises(ZephrNotConfigured):
        gateway.get_session(KNOWN)


@pytest.mark.parametrize("session_id", ["", ".", "..", "a\nb", "x" * 256, "\ud800"])
def test_an_id_that_cannot_be_one_is_refused_before_the_cache_is_asked(
    stand_in, settings, caplog, session_id
):
    settings.CACHES = BROKEN_CACHE
    with pytest.raises(InvalidValue):
        gateway.get_session(session_id)
    assert not caplog.records
    assert not stand_in.requests


def test_a_session_that_was_asked_for_a_moment_ago_comes_from_the_cache(stand_in):
    first = gateway.get_session(KNOWN)
    stand_in.fault = refusing()
    assert gateway.get_session(KNOWN) == first
    assert len(stand_in.requests) == 1


def test_an_unknown_session_is_remembered_too(stand_in):
    for _ in range(2):
        with pytest.raises(ZephrSessionNotFound):
            gateway.get_session("nobody")
    assert len(stand_in.requests) == 1


def test_each_session_is_remembered_by_itself(stand_in):
    for _ in range(2):
        assert gateway.get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
        assert gateway.get_session(OTHER).raw == DEMO_SESSIONS[OTHER]
    assert len(stand_in.requests) == 2


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (b"301 Moved", ZephrBadResponse),
        (b"401 Unauthorized", ZephrCredentialsRejected),
        (b"429 Too Many Requests", ZephrThrottled),
        (b"500 Internal Server Error", ZephrUnavailable),
    ],
)
def test_no_other_error_is_remembered(stand_in, recorded, status, expected):
    stand_in.fault = lambda handler: handler.connection.sendall(
        b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"
    )
    with pytest.raises(expected):
        gateway.get_session(KNOWN)
    assert not recorded
    stand_in.fault = None
    assert gateway.get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]


def test_a_time_out_is_as_long_as_the_settings_say_and_not_remembered(stand_in, set_zephr, recorded):
    set_zephr(stand_in.base_url, TIMEOUT=0.2, CONNECT_TIMEOUT=0.1)
    stand_in.fault = lambda handler: stand_in.stopping.wait(10)
    with pytest.raises(ZephrTimeout):
        gateway.get_session(KNOWN)
    assert not recorded


def test_answers_are_kept_for_30_seconds_and_a_404_for_5_by_default(stand_in, recorded):
    gateway.get_session(KNOWN)
    with pytest.raises(ZephrSessionNotFound):
        gateway.get_session("nobody")
    assert [timeout for _, timeout in recorded.values()] == [30, 5]


def test_an_answer_is_forgotten_after_its_time(stand_in, set_zephr, settings):
    # A cache in another process has a clock of its own.
    settings.CACHES = LOCAL_CACHE
    set_zephr(stand_in.base_url, CACHE_TIMEOUT=7, NOT_FOUND_CACHE_TIMEOUT=3)
    with time_machine.travel("2026-01-01T12:00:00Z") as clock:
        for second, asked, asked_for_nobody in ((0, 1, 1), (2, 1, 1), (4, 1, 2), (6, 1, 2), (8, 2, 3)):
            clock.move_to(f"2026-01-01T12:00:{second:02}Z", tick=True)
            gateway.get_session(KNOWN)
            with pytest.raises(ZephrSessionNotFound):
                gateway.get_session("nobody")
            assert asked_for(stand_in, KNOWN) == asked
            assert asked_for(stand_in, "nobody") == asked_for_nobody


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({"CACHE_TIMEOUT": 0}, {KNOWN: 2, "nobody": 1}),
        ({"NOT_FOUND_CACHE_TIMEOUT": 0}, {KNOWN: 1, "nobody": 2}),
        ({"CACHE_TIMEOUT": 0, "NOT_FOUND_CACHE_TIMEOUT": 0}, {KNOWN: 2, "nobody": 2}),
    ],
)
def test_a_timeout_of_0_switches_its_caching_off(stand_in, set_zephr, options, calls):
    set_zephr(stand_in.base_url, **options)
    for _ in range(2):
        gateway.get_session(KNOWN)
        with pytest.raises(ZephrSessionNotFound):
            gateway.get_session("nobody")
    assert {session_id: asked_for(stand_in, session_id) for session_id in calls} == calls


def test_what_was_cached_before_the_caching_was_switched_off_is_not_used(stand_in, set_zephr):
    gateway.get_session(KNOWN)
    with pytest.raises(ZephrSessionNotFound):
        gateway.get_session("nobody")
    for options in ({"CACHE_TIMEOUT": 0}, {"NOT_FOUND_CACHE_TIMEOUT": 0}):
        set_zephr(stand_in.base_url, **options)
        gateway.get_session(KNOWN)
        with pytest.raises(ZephrSessionNotFound):
            gateway.get_session("nobody")
    assert len(stand_in.requests) == 4


def test_another_key_pair_does_not_see_what_was_cached_for_this_one(stand_in, set_zephr):
    gateway.get_session(KNOWN)
    set_zephr(stand_in.base_url, ACCESS_KEY="other")
    with pytest.raises(ZephrCredentialsRejected):
        gateway.get_session(KNOWN)


def test_another_zephr_has_a_cache_of_its_own(stand_in, set_zephr):
    gateway.get_session(KNOWN)
    with ZephrStandIn(ACCESS_KEY, SECRET_KEY, {KNOWN: {"v": 9}}) as other:
        set_zephr(other.base_url)
        assert gateway.get_session(KNOWN).v == 9


def test_what_a_caller_does_to_an_answer_does_not_change_the_cached_one(stand_in):
    gateway.get_session(KNOWN).raw.clear()
    assert gateway.get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]


@pytest.mark.parametrize(("session_id", "expected"), [(KNOWN, None), ("nobody", ZephrSessionNotFound)])
def test_a_cache_that_is_down_is_done_without(stand_in, settings, caplog, session_id, expected):
    settings.CACHES = BROKEN_CACHE
    if expected is None:
        assert gateway.get_session(session_id).raw == DEMO_SESSIONS[session_id]
    else:
        with pytest.raises(expected):
            gateway.get_session(session_id)
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings == ["The cache failed, Zephr is asked instead: ConnectionError"]
    assert "cache-password" not in caplog.text


def test_the_calls_of_one_process_share_a_connection(stand_in):
    gateway.get_session(KNOWN)
    gateway.get_session(OTHER)
    assert len({seen.client for seen in stand_in.requests}) == 1


def test_threads_share_the_client(stand_in, set_zephr):
    set_zephr(stand_in.base_url, CACHE_TIMEOUT=0)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        sessions = list(pool.map(gateway.get_session, [KNOWN] * 40))
    assert all(session.raw == DEMO_SESSIONS[KNOWN] for session in sessions)
    assert len(gateway._processes) == 1


def test_after_a_fork_there_is_another_client(stand_in, monkeypatch):
    gateway.get_session(KNOWN)
    monkeypatch.setattr(os, "getpid", lambda: 1)
    gateway.get_session(OTHER)
    assert len({seen.client for seen in stand_in.requests}) == 2


def test_changed_settings_make_another_client(stand_in, set_zephr):
    gateway.get_session(KNOWN)
    with ZephrStandIn("other-access-key", "other-secret-key") as other:
        set_zephr(other.base_url, ACCESS_KEY="other-access-key", SECRET_KEY="other-secret-key")
        assert gateway.get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]
        assert len(other.requests) == 1


def test_neither_the_log_nor_an_error_holds_a_key_a_signature_or_the_id(stand_in, caplog):
    caplog.set_level(logging.DEBUG, logger="jay_sessions")
    stand_in.fault = refusing()
    with pytest.raises(ZephrUnavailable) as caught:
        gateway.get_session(KNOWN)
    said = caplog.text + "".join(traceback.format_exception(caught.value))
    signature = stand_in.requests[-1].headers["Authorization"].rpartition(":")[2]
    for secret in (ACCESS_KEY, SECRET_KEY, signature, KNOWN):
        assert secret not in said


def test_the_cache_of_the_site_works_as_it_comes(stand_in):
    gateway.get_session(KNOWN)
    cache.clear()
    gateway.get_session(KNOWN)
    assert len(stand_in.requests) == 2


def test_an_answer_says_where_it_is_from_and_how_old_it_is(stand_in, local_cache):
    with time_machine.travel("2026-01-01T12:00:00Z") as clock:
        found = gateway.look_up(KNOWN)
        assert (found.source, found.age, found.ttl, found.expired) == (Source.MISS, 0, 30, False)
        clock.move_to("2026-01-01T12:00:07.5Z")
        found = gateway.look_up(KNOWN)
        assert (found.source, found.age, found.ttl, found.expired) == (Source.HIT, 7, 23, False)
        assert found.session.raw == DEMO_SESSIONS[KNOWN]


@pytest.mark.parametrize(
    ("caches", "options"), [(LOCAL_CACHE, {"CACHE_TIMEOUT": 0}), (BROKEN_CACHE, {})], ids=["off", "down"]
)
def test_an_answer_that_is_not_kept_has_no_time(stand_in, set_zephr, settings, caches, options):
    settings.CACHES = caches
    set_zephr(stand_in.base_url, **options)
    assert gateway.look_up(KNOWN).ttl is None


def test_a_clock_that_goes_back_a_little_makes_no_age_below_0(stand_in, local_cache):
    with time_machine.travel("2026-01-01T12:00:00Z") as clock:
        gateway.look_up(KNOWN)
        clock.move_to("2026-01-01T11:59:57Z")
        found = gateway.look_up(KNOWN)
    assert (found.source, found.age, found.ttl) == (Source.HIT, 0, 30)


@pytest.mark.parametrize("seconds", [7, 60, 3600])
def test_an_answer_from_before_the_clock_went_back_is_not_served_for_that_long(
    stand_in, set_zephr, local_cache, seconds
):
    set_zephr(stand_in.base_url, STALE_IF_ERROR=60)
    with time_machine.travel("2026-01-01T12:00:00Z", tick=False) as clock:
        gateway.look_up(KNOWN)
        with pytest.raises(ZephrSessionNotFound):
            gateway.look_up("nobody")
        clock.shift(-seconds)
        assert gateway.look_up(KNOWN).source is Source.MISS
        assert gateway.look_up(KNOWN).source is Source.HIT
        with pytest.raises(ZephrSessionNotFound):
            gateway.look_up("nobody")
        assert asked_for(stand_in, "nobody") == 2
        clock.shift(-seconds)
        stand_in.fault = refusing()
        with pytest.raises(ZephrUnavailable):
            gateway.look_up(KNOWN)


def test_a_shorter_cache_time_holds_for_what_was_cached_before(stand_in, set_zephr, local_cache):
    with time_machine.travel("2026-01-01T12:00:00Z") as clock:
        gateway.look_up(KNOWN)
        set_zephr(stand_in.base_url, CACHE_TIMEOUT=5)
        clock.move_to("2026-01-01T12:00:06Z")
        assert gateway.look_up(KNOWN).source is Source.MISS
