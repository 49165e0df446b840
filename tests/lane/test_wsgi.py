"""The fast lane answers as Django does, and only what it may."""

import datetime
import random
import time
from typing import Any

import pytest
import time_machine
from django.core import checks
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection, connections
from django.test import TestCase
from django.utils import timezone

from jay_sessions import sessions
from jay_sessions.api import key_cache
from jay_sessions.exceptions import StoreUnavailable
from jay_sessions.lane import ordinary
from jay_sessions.lane import site as lane_site
from jay_sessions.lane.ordinary import OrdinaryRequests
from jay_sessions.lane.wsgi import FastLane
from jay_sessions.models import ApiKey, TrackingSession
from jay_sessions.signals import session_started
from jay_sessions.store import recorders

from ..conftest import EXAMPLE_TOKEN, PATH, PLAYOUT
from ..support import lane_sites
from ..support.lane_sites import (
    GZIP,
    ORDINARY,
    SITES,
    assert_a_fault_is_logged_and_djangos_to_answer,
    assert_answers_are_the_same,
    assert_each_is_counted_once,
    assert_it_says_what_it_goes_past,
    assert_store_is_unavailable,
    knowing_its_key,
    make_site,
    token_of,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("connections_stay_open")]

EACH = 400
"""Requests that each site is sent, over the lane and without it."""


class App(lane_sites.App):
    """A WSGI application, called as a server does, with a key that it is known by."""

    def __init__(self, name: str, *, lane: bool):
        super().__init__(name)
        self._application = FastLane(self._django) if lane else self._django
        self._handler = WSGIHandler()

    def _django(self, environ, start_response):
        self.django_answered += 1
        return self._handler(environ, start_response)

    def __call__(self, **given: Any):
        said: list[Any] = []
        answer = self._application(
            self.environ(**given), lambda status, headers, *exc: said.extend((status, headers))
        )
        try:
            body = b"".join(answer)
        finally:
            getattr(answer, "close", lambda: None)()
        status, headers = said
        return int(status.split()[0]), headers, body


@pytest.fixture
def lane():
    """The lane, which knows its key."""
    return knowing_its_key(App("lane", lane=True))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SITES)
def test_the_lane_answers_as_django_does(settings, setting, name):
    make_site(settings, setting, name)
    with_lane, without = App("lane", lane=True), App("django", lane=False)
    by_lane = assert_answers_are_the_same(with_lane, without, random.Random(name), EACH)
    # Where there is a resolver, all is Django's.
    assert by_lane == 0 if name == "api only" else by_lane > 20, by_lane


@pytest.mark.parametrize(("given", "is_the_lanes"), ORDINARY, ids=str)
def test_what_is_not_ordinary_is_djangos(lane, given, is_the_lanes):
    lane(**{"method": "POST", "path": PATH, "HTTP_X_API_KEY": "KEY", **given})
    assert (lane.django_answered == 0) == is_the_lanes


def test_a_site_that_redirects_to_www_does_so(lane, settings):
    settings.PREPEND_WWW, settings.ALLOWED_HOSTS = True, ["*"]
    ask = {"path": PATH, "HTTP_X_API_KEY": "KEY", "HTTP_X_JAY_TRACKING": EXAMPLE_TOKEN}
    assert lane(HTTP_HOST="example.com", **ask)[0] == 301
    assert lane.django_answered == 1
    assert lane(HTTP_HOST="www.example.com", **ask)[0] == 200
    assert lane.django_answered == 1


def test_a_key_is_djangos_until_this_process_knows_it_and_once_it_changes(lane):
    other = ApiKey.objects.issue("other")
    ask = {"method": "POST", "path": PATH, "HTTP_X_API_KEY": other[1]}
    assert [lane(**ask)[0] for _ in range(3)] == [200] * 3
    assert lane.django_answered == 1
    ApiKey.objects.filter(pk=other[0].pk).revoke()
    assert lane(**ask)[0] == 401
    assert lane.django_answered == 2


def test_a_use_that_is_to_be_noted_is_noted(lane):
    used = ApiKey.objects.get(name="lane key").last_used_at
    with time_machine.travel(timezone.now() + datetime.timedelta(minutes=2)):
        assert lane(method="POST", path=PATH, HTTP_X_API_KEY="KEY")[0] == 200
    assert lane.django_answered == 1
    assert ApiKey.objects.get(name="lane key").last_used_at > used


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("recorder", ["direct", "group"])
def test_without_the_database_the_answer_is_djangos_and_nothing_is_tried_twice(
    setting, lane, monkeypatch, recorder
):
    setting(RECORDER=recorder)
    token = token_of(lane)
    tries, record = [], recorders.record

    def watch(row):
        tries.append(row)
        record(row)

    monkeypatch.setattr(recorders, "record", watch)
    assert_store_is_unavailable(lane, token)
    assert len(tries) == 1


def test_signals_are_sent(lane):
    heard = []

    def hear(session, **kwargs):
        heard.append(session)

    session_started.connect(hear)
    try:
        # In a test's transaction there is no commit after which it would be sent.
        with TestCase.captureOnCommitCallbacks(execute=True):
            lane(method="POST", path=PATH, query="user_id=ada", HTTP_X_API_KEY="KEY")
    finally:
        session_started.disconnect(hear)
    assert lane.django_answered == 0
    [session] = heard
    assert (session.user_id, session.playout_id) == ("ada", PLAYOUT)
    assert TrackingSession.objects.get(pk=session.pk) == session


def test_a_throttled_key_is_counted_once(setting, lane, monkeypatch):
    setting(THROTTLE_RATES={"key": "5/day"})
    assert_each_is_counted_once(lane, monkeypatch)


def test_a_session_that_is_none_costs_one_look_up(lane, django_assert_num_queries):
    started = sessions.start(PLAYOUT)
    sessions.end([started.encoded])
    with django_assert_num_queries(1):
        assert lane(path=PATH, HTTP_X_API_KEY="KEY", HTTP_X_JAY_TRACKING=started.encoded)[0] == 400


def test_a_fault_of_the_lane_is_logged_and_djangos_to_answer(lane, monkeypatch, caplog):
    assert_a_fault_is_logged_and_djangos_to_answer(lane, monkeypatch, caplog)


@pytest.mark.parametrize("allowed", [["*"], ["testserver"]])
def test_hosts_that_clients_make_up_do_not_fill_the_memory(settings, lane, monkeypatch, allowed):
    settings.ALLOWED_HOSTS = allowed
    monkeypatch.setattr(lane_site, "MAX_KNOWN", 10)
    for number in range(50):
        lane(path=PATH, HTTP_X_API_KEY="KEY", HTTP_HOST=f"host-{number}.example")
    assert len(lane_site_of(lane)._headers) <= 10


def lane_site_of(lane):
    return requests_of(lane).site


def test_a_port_that_is_a_number_is_no_fault(lane, monkeypatch, caplog):
    # Hypercorn's WSGI gives it as a number.
    looked_at = watch_what_is_looked_at(monkeypatch)
    for _ in range(2):
        assert lane(method="POST", path=PATH, HTTP_X_API_KEY="KEY", SERVER_PORT=8000)[0] == 200
    assert (lane.django_answered, len(looked_at), caplog.messages) == (0, 1, [])


def requests_of(lane):
    return lane._application._responder.requests


def test_requests_that_are_alike_are_looked_at_once(lane, monkeypatch):
    looked_at = watch_what_is_looked_at(monkeypatch)
    for user in ("ada", "grace", None):
        query = "" if user is None else f"user_id={user}"
        assert lane(method="POST", path=PATH, query=query, HTTP_X_API_KEY="KEY", HTTP_COOKIE="a=b")[0] == 200
    assert len(looked_at) == 1
    assert lane.django_answered == 0
    assert {session.user_id for session in TrackingSession.objects.all()} == {"ada", "grace", None}


def watch_what_is_looked_at(monkeypatch):
    """Return a list that fills with the requests that are not known by others like them."""
    looked_at, look_at = [], OrdinaryRequests._look_at

    def watch(self, environ, *args):
        looked_at.append(environ)
        return look_at(self, environ, *args)

    monkeypatch.setattr(OrdinaryRequests, "_look_at", watch)
    return looked_at


@pytest.mark.parametrize(
    "other",
    [
        {"path": f"{PATH}/"},
        {"method": "GET", "HTTP_X_JAY_TRACKING": EXAMPLE_TOKEN},
        {"HTTP_HOST": "testserver"},
        {"HTTP_X_API_VERSION": "2025-09-02"},
        {"HTTP_X_API_KEY": "OTHER"},
        {"CONTENT_LENGTH": "0"},
        {"SERVER_PORT": "8001"},
        {"wsgi.url_scheme": "https"},
    ],
    ids=str,
)
def test_requests_that_differ_in_what_decides_are_not_alike(lane, monkeypatch, other):
    ask = {"method": "POST", "path": PATH, "HTTP_X_API_KEY": "KEY"}
    assert lane(**ask)[0] == 200
    looked_at = watch_what_is_looked_at(monkeypatch)
    lane(**{**ask, **other})
    assert len(looked_at) == 1


def test_what_is_known_of_requests_is_forgotten_with_the_key_in_time(lane, monkeypatch):
    # Another process has revoked the key, so that nobody says so to this one.
    now = time.monotonic()
    for module in (ordinary, key_cache):
        monkeypatch.setattr(module, "monotonic", lambda: now)
    key_cache.forget()
    ask = {"method": "POST", "path": PATH, "HTTP_X_API_KEY": "KEY"}
    assert [lane(**ask)[0] for _ in range(3)] == [200] * 3
    assert lane.django_answered == 1
    with connection.cursor() as cursor:
        cursor.execute("UPDATE jay_api_key SET revoked_at = %s", [timezone.now()])
    now += key_cache.RENEWED_AFTER - 0.1
    assert lane(**ask)[0] == 200
    now += 0.2
    assert lane(**ask)[0] == 401


def test_what_is_known_of_requests_does_not_outlive_the_key(lane, monkeypatch):
    ends = timezone.now() + datetime.timedelta(seconds=key_cache.RENEWED_AFTER)
    ApiKey.objects.update(expires_at=ends - datetime.timedelta(seconds=1))
    ask = {"method": "POST", "path": PATH, "HTTP_X_API_KEY": "KEY"}
    assert [lane(**ask)[0] for _ in range(3)] == [200] * 3
    assert lane.django_answered == 1
    with time_machine.travel(ends):
        assert lane(**ask)[0] == 401


def test_requests_that_clients_make_up_do_not_fill_the_memory(lane, settings, monkeypatch):
    settings.ALLOWED_HOSTS = ["*"]
    monkeypatch.setattr(ordinary, "MAX_KNOWN", 10)
    ask = {"path": PATH, "HTTP_X_API_KEY": "KEY", "HTTP_X_JAY_TRACKING": EXAMPLE_TOKEN}
    for number in range(50):
        assert lane(HTTP_HOST=f"host-{number}.example", **ask)[0] == 200
    assert 1 <= len(requests_of(lane)._known) <= 10
    requests_of(lane)._known.clear()
    assert lane(HTTP_X_API_VERSION=" " * 2000, **ask)[0] == 200
    assert lane(HTTP_HOST="evil.example", **{**ask, "HTTP_X_API_KEY": "nonsense"})[0] == 401
    assert requests_of(lane)._known == {}


def test_settings_that_are_wrong_are_of_no_account_to_other_pages(lane, setting, caplog):
    setting(SOURCE=5)
    assert lane(path="/elsewhere", HTTP_X_API_KEY="KEY")[0] == 404
    assert lane.django_answered == 1
    assert "The fast lane failed" not in caplog.text


@pytest.mark.parametrize("urlconf", ["tests.support.lane_urls_own_view", "tests.support.lane_urls_without"])
def test_a_site_with_another_view_there_answers_itself(settings, lane, urlconf):
    settings.ROOT_URLCONF = urlconf
    lane(method="POST", path=PATH, HTTP_X_API_KEY="KEY")
    assert lane.django_answered == 1


def test_a_site_may_have_the_api_below_a_prefix(settings, lane):
    settings.ROOT_URLCONF = "tests.support.lane_urls_prefix"
    assert lane(method="POST", path=f"/api/v1{PATH}", HTTP_X_API_KEY="KEY")[0] == 200
    assert lane.django_answered == 0
    assert lane(method="POST", path=PATH, HTTP_X_API_KEY="KEY")[0] == 404


def test_a_thread_of_the_lane_leaves_no_connection_open_that_should_not_be(lane, monkeypatch):
    closed = []

    class Idle:
        alias = "default"
        in_atomic_block = False
        connection = "open"

        def close_if_unusable_or_obsolete(self):
            closed.append(self)

    monkeypatch.setattr(connections, "all", lambda **kwargs: [Idle()])
    assert lane(method="POST", path=PATH, HTTP_X_API_KEY="KEY")[0] == 200
    assert len(closed) == 2


def test_a_check_names_the_middleware_that_the_lane_goes_past(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, GZIP, "django.middleware.http.ConditionalGetMiddleware"]
    found = [
        one for one in checks.run_checks(include_deployment_checks=True) if one.id == "jay_sessions.W106"
    ]
    assert [GZIP in found[0].msg, "django.middleware.http.ConditionalGetMiddleware" in found[1].msg] == [
        True,
        True,
    ]
    settings.WSGI_APPLICATION, settings.ASGI_APPLICATION = "tests.lane.test_wsgi.without_lane", None
    assert not [
        one for one in checks.run_checks(include_deployment_checks=True) if one.id == "jay_sessions.W106"
    ]


without_lane = WSGIHandler.__call__


def test_it_says_at_its_start_what_it_goes_past(settings, caplog):
    assert_it_says_what_it_goes_past(lambda: FastLane(WSGIHandler()), settings, caplog)


def test_a_store_that_fails_is_no_fault(lane, monkeypatch, caplog):
    def fail(row):
        raise StoreUnavailable("away")

    monkeypatch.setattr(recorders, "record", fail)
    assert lane(method="POST", path=PATH, HTTP_X_API_KEY="KEY")[0] == 503
    assert "fast lane failed" not in caplog.text


def test_who_has_waited_for_the_store_in_the_lane_does_not_wait_for_its_key_again(
    lane, monkeypatch, django_assert_num_queries
):
    def fail(row):
        # So long that the key is known no more.
        key_cache.forget()
        raise StoreUnavailable("silent")

    monkeypatch.setattr(recorders, "record", fail)
    with django_assert_num_queries(0):
        status, headers, _ = lane(method="POST", path=PATH, HTTP_X_API_KEY="KEY")
    assert (status, lane_sites.headers_of(headers)["retry-after"]) == (503, "5")
