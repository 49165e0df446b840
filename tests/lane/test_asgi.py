"""The fast lane for ASGI answers as Django does, and holds no event loop up."""

import asyncio
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from asgiref.sync import async_to_sync
from django.core import checks
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from jay_sessions import sessions
from jay_sessions.api.request import before_request
from jay_sessions.lane.asgi import AsyncFastLane
from jay_sessions.lane.scope import ScopeReader
from jay_sessions.models import TrackingSession
from jay_sessions.signals import session_started
from jay_sessions.store import ended_ids, group

from ..conftest import EXAMPLE_TOKEN, PATH, PLAYOUT
from ..support import lane_sites
from ..support.lane_requests import environ
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

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("connections_stay_open")]

EACH = 150
"""Requests that each site is sent, over the lane and without it."""


def scope_of(environ: dict[str, Any]) -> dict[str, Any]:
    """Return what an ASGI server hands over for the request of this WSGI environ."""
    # A server of WSGI may name these where there is none.
    names = [name for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)]
    names += [name for name in environ if name.startswith("HTTP_")]
    headers = [(name.removeprefix("HTTP_").replace("_", "-").lower(), environ[name]) for name in names]
    raw = environ["PATH_INFO"].encode("latin-1")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": environ["SERVER_PROTOCOL"].partition("/")[2],
        "method": environ["REQUEST_METHOD"],
        "scheme": environ["wsgi.url_scheme"],
        "path": environ["SCRIPT_NAME"] + raw.decode(errors="replace"),
        "raw_path": quote_from_bytes(environ["SCRIPT_NAME"].encode() + raw).encode(),
        "root_path": environ["SCRIPT_NAME"],
        "query_string": environ["QUERY_STRING"].encode("latin-1"),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        "client": (environ["REMOTE_ADDR"], 50_000),
        "server": (environ["SERVER_NAME"], int(environ["SERVER_PORT"])),
    }


def in_loop(ask):
    """Run a coroutine function in a new event loop; the thread that it may do work in leaves nothing open."""

    async def run():
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        try:
            return await ask()
        finally:
            await loop.run_in_executor(None, close_connections)

    return async_to_sync(run)()


def close_connections():
    for connection in connections.all(initialized_only=True):
        # Django's own `close` of an SQLite in memory does nothing.
        BaseDatabaseWrapper.close(connection)


class App(lane_sites.App):
    """An ASGI application, called as a server does, with a key that it is known by."""

    def __init__(self, name: str, *, lane: bool):
        super().__init__(name)
        self._application = AsyncFastLane(self._django) if lane else self._django
        self._handler = ASGIHandler()

    async def _django(self, scope, receive, send):
        self.django_answered += 1
        # Without the handler's own context, in which each request has another thread and connection.
        await self._handler.handle(scope, receive, send)

    def __call__(self, **given: Any):
        return in_loop(lambda: self.ask(**given))

    async def ask(self, **given: Any):
        made = self.environ(**given)
        body, said = made["wsgi.input"].read(), []

        async def receive():
            if said:
                await asyncio.Event().wait()
            said.append(None)
            return {"type": "http.request", "body": body, "more_body": False}

        messages = []

        async def send(message):
            messages.append(message)

        await self._application(scope_of(made), receive, send)
        start, *rest = messages
        headers = [(name.decode(), value.decode("latin-1")) for name, value in start["headers"]]
        return start["status"], headers, b"".join(message.get("body", b"") for message in rest)


@pytest.fixture
def lane(setting):
    """The lane, which knows its key."""
    setting(RECORDER="group")
    return knowing_its_key(App("lane", lane=True))


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("name", "recorder"), [*((name, "group") for name in SITES), ("as it is", "direct"), ("https", "direct")]
)
def test_the_lane_answers_as_django_does(settings, setting, name, recorder):
    make_site(settings, setting, name, RECORDER=recorder)
    with_lane, without = App("lane", lane=True), App("django", lane=False)
    by_lane = assert_answers_are_the_same(with_lane, without, random.Random(f"{name} {recorder}"), EACH)
    assert by_lane == 0 if name == "api only" else by_lane > 5, by_lane


@pytest.mark.parametrize(("given", "is_the_lanes"), ORDINARY, ids=str)
def test_what_is_not_ordinary_is_djangos(lane, given, is_the_lanes):
    lane(**{"method": "POST", "path": PATH, "HTTP_X_API_KEY": "KEY", **given})
    assert (lane.django_answered == 0) == is_the_lanes


HEADERS = [
    [],
    [(b"host", b"a.example"), (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"x-a", b"1"), (b"x-a", b"2")],
    [(b"host", b"a.example"), (b"cookie", b"a=1; c=3"), (b"x-a", b"1"), (b"cookie", b"b=2")],
    [(b"x_api_key", b"spoofed"), (b"x-api-key", b"right"), (b"content_length", b"9")],
    [(b"x_api_key", b"spoofed"), (b"x-a", b"1"), (b"x-a", b"2")],
    [(b"content-length", b"0"), (b"content-type", b"a/b"), (b"x-latin", b"\xe4")],
]


@pytest.mark.parametrize("headers", HEADERS, ids=lambda headers: str(len(headers)))
@pytest.mark.parametrize("root_path", ["", "/mounted", "/mounted/", "/mount"])
@pytest.mark.parametrize("path", ["/", "/mounted", "/mounted/x"])
def test_a_scope_is_read_as_django_reads_it(headers, root_path, path):
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "root_path": root_path,
        "query_string": b"user_id=%C3%BC",
        "headers": headers,
        "server": ("127.0.0.1", 80),
    }
    names = ("HTTP_HOST", "HTTP_COOKIE", "HTTP_X_A", "HTTP_X_API_KEY", "HTTP_X_LATIN", "CONTENT_LENGTH")
    read = ScopeReader((*names, "SERVER_PORT")).environ_of(scope)
    mended = {**scope}
    before_request(scope=mended)
    meta = ASGIRequest(mended, None).META
    assert meta.get("HTTP_COOKIE", "") in ("", "a=1; b=2", "a=1; c=3; b=2")
    for name in (*names, "REQUEST_METHOD", "PATH_INFO", "SERVER_NAME", "SERVER_PORT"):
        assert read.get(name) == meta.get(name), name
    assert read["QUERY_STRING"].encode("latin-1") == scope["query_string"]


def test_a_site_whose_settings_say_that_it_is_below_a_path_is_read_as_django_reads_it(lane, settings):
    settings.FORCE_SCRIPT_NAME = "/mounted"
    ask = {"method": "POST", "HTTP_X_API_KEY": "KEY"}
    assert [lane(path=path, **ask)[0] for path in (f"/mounted{PATH}", PATH, f"/mount{PATH}")] == [
        200,
        200,
        404,
    ]
    assert lane.django_answered == 1


def test_whoever_starts_sessions_at_the_same_time_shares_commits(lane, monkeypatch):
    batches, ado_all = [], group.recordings.ado_all

    async def watch(connection, rows):
        batches.append(len(rows))
        return await ado_all(connection, rows)

    monkeypatch.setattr(group.recordings, "ado_all", watch)

    async def many():
        asked = [lane.ask(method="POST", path=PATH, HTTP_X_API_KEY="KEY") for _ in range(50)]
        return await asyncio.gather(*asked)

    answers = in_loop(many)
    assert {status for status, _, _ in answers} == {200}
    assert TrackingSession.objects.count() == sum(batches) == 50
    assert len(batches) < 25


class HeldWriter:
    """The group recorder's writer, which waits before it writes until it may go on."""

    def __init__(self):
        self.began, self.may_end = threading.Event(), threading.Event()

    async def has_begun(self):
        while not self.began.is_set():
            await asyncio.sleep(0.001)


@pytest.fixture
def held_writer(monkeypatch):
    held, do_all = HeldWriter(), group.recordings.do_all

    def wait(*args, **kwargs):
        held.began.set()
        assert held.may_end.wait(30)
        return do_all(*args, **kwargs)

    # A loop's first rows are written by a thread.
    monkeypatch.setattr(group.recordings, "do_all", wait)
    return held


def test_the_event_loop_goes_on_while_the_database_does_not(lane, held_writer):
    async def both():
        post = asyncio.create_task(lane.ask(method="POST", path=PATH, HTTP_X_API_KEY="KEY"))
        await held_writer.has_begun()
        # Held up, it would answer neither this nor that.
        other = await lane.ask(path=PATH, HTTP_X_API_KEY="KEY", HTTP_X_JAY_TRACKING=EXAMPLE_TOKEN)
        assert not post.done()
        held_writer.may_end.set()
        return other, await post

    assert [status for status, _, _ in in_loop(both)] == [200, 200]
    assert TrackingSession.objects.count() == 1


def test_a_client_that_goes_away_harms_nobody(lane, held_writer):
    async def three():
        ask = {"method": "POST", "path": PATH, "HTTP_X_API_KEY": "KEY"}
        tasks = [asyncio.create_task(lane.ask(**ask)) for _ in range(3)]
        await held_writer.has_begun()
        tasks[0].cancel()
        held_writer.may_end.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    gone, *others = in_loop(three)
    assert isinstance(gone, asyncio.CancelledError)
    assert [status for status, _, _ in others] == [200, 200]
    assert TrackingSession.objects.count() == 3


@pytest.mark.parametrize("recorder", ["direct", "group"])
def test_without_the_database_the_answer_is_djangos_and_nothing_is_tried_twice(
    setting, lane, monkeypatch, recorder
):
    setting(RECORDER=recorder)
    token = token_of(lane)
    tries, starting = [], sessions.starting

    def watch(*args, **kwargs):
        tries.append(args)
        return starting(*args, **kwargs)

    monkeypatch.setattr(sessions, "starting", watch)
    assert_store_is_unavailable(lane, token)
    assert len(tries) == 1


@pytest.mark.parametrize("recorder", ["direct", "group"])
def test_signals_are_sent(setting, lane, recorder):
    setting(RECORDER=recorder)
    heard = []

    def hear(session, **kwargs):
        # A receiver may use the database, which no event loop may.
        heard.append(TrackingSession.objects.get(pk=session.pk))

    def fail(session, **kwargs):
        raise ZeroDivisionError

    session_started.connect(fail)
    session_started.connect(hear)
    try:
        assert lane(method="POST", path=PATH, query="user_id=ada", HTTP_X_API_KEY="KEY")[0] == 200
    finally:
        session_started.disconnect(hear)
        session_started.disconnect(fail)
    assert lane.django_answered == 0
    assert [(session.user_id, session.playout_id) for session in heard] == [("ada", PLAYOUT)]


@pytest.mark.parametrize("recorder", ["direct", "group"])
def test_a_throttled_key_is_counted_once(setting, lane, monkeypatch, recorder):
    setting(THROTTLE_RATES={"key": "5/day"}, RECORDER=recorder)
    assert_each_is_counted_once(lane, monkeypatch)


@pytest.mark.parametrize("propagation", [0, 60])
def test_an_ended_session_is_none(setting, lane, propagation):
    setting(RECORDER="group", END_PROPAGATION=propagation, SESSION_LIFETIME=3600)
    started, other = sessions.start(PLAYOUT), sessions.start(PLAYOUT)
    sessions.end([started.encoded])
    ask = {"path": PATH, "HTTP_X_API_KEY": "KEY"}
    assert [lane(HTTP_X_JAY_TRACKING=one.encoded, **ask)[0] for one in (started, other)] == [400, 200]
    sessions.end([other.encoded])
    assert lane(HTTP_X_JAY_TRACKING=other.encoded, **ask)[0] == 400


def test_what_is_known_of_ended_sessions_is_renewed_by_another_thread(setting, lane, monkeypatch):
    setting(RECORDER="group", END_PROPAGATION=10, SESSION_LIFETIME=3600)
    encoded = sessions.start(PLAYOUT).encoded
    readers, read, now = [], ended_ids.EndedIds._read, 1000.0

    def watch(self):
        readers.append(threading.current_thread())
        read(self)

    monkeypatch.setattr(ended_ids.EndedIds, "_read", watch)
    monkeypatch.setattr(ended_ids, "monotonic", lambda: now)
    for now in (1000.0, 1004.9, 1005.0, 1005.1, 1020.0):  # noqa: B007
        assert lane(path=PATH, HTTP_X_API_KEY="KEY", HTTP_X_JAY_TRACKING=encoded)[0] == 200
    assert len(readers) == 3
    assert threading.main_thread() not in readers


def test_a_fault_of_the_lane_is_logged_and_djangos_to_answer(lane, monkeypatch, caplog):
    assert_a_fault_is_logged_and_djangos_to_answer(lane, monkeypatch, caplog)


def test_what_is_no_request_is_handed_on():
    seen = []

    async def application(scope, receive, send):
        seen.append((scope, receive, send))

    scope = {"type": "lifespan"}
    async_to_sync(AsyncFastLane(application))(scope, "receive", "send")
    assert seen == [(scope, "receive", "send")]


def test_it_says_at_its_start_what_it_goes_past(settings, caplog):
    assert_it_says_what_it_goes_past(lambda: AsyncFastLane(ASGIHandler()), settings, caplog)


@pytest.mark.parametrize(
    ("application", "count"), [("project.asgi.application", 1), ("tests.lane.test_asgi.no_lane", 0)]
)
def test_a_check_names_the_middleware_that_the_lane_goes_past(settings, application, count):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, GZIP]
    settings.WSGI_APPLICATION, settings.ASGI_APPLICATION = None, application
    found = checks.run_checks(include_deployment_checks=True)
    assert [GZIP in one.msg for one in found if one.id == "jay_sessions.W106"] == [True] * count


no_lane = ASGIHandler.__call__


@pytest.mark.parametrize("begun", [True, False])
def test_a_body_that_django_takes_for_cut_off_is_answered_400(begun):
    parts = [{"type": "http.request", "body": b"{}", "more_body": True}] if begun else []
    parts.append({"type": "http.disconnect"})
    sent = []

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    scope = scope_of(environ("POST", PATH, HTTP_TRANSFER_ENCODING="chunked"))
    async_to_sync(AsyncFastLane(ASGIHandler()))(scope, receive, send)
    assert [message.get("status") for message in sent] == [400, None]


def test_a_client_that_leaves_while_it_waits_is_answered_nothing():
    sent, parts = [], [{"type": "http.request", "body": b""}, {"type": "http.disconnect"}]

    async def application(scope, receive, send):
        while (await receive())["type"] != "http.disconnect":
            pass

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    async_to_sync(AsyncFastLane(application))(scope_of(environ("GET", "/")), receive, send)
    assert sent == []
