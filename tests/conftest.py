import base64
import contextlib
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import hypothesis
import pytest
import redis
import time_machine
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.core.signals import request_finished, request_started
from django.db import DEFAULT_DB_ALIAS, OperationalError, close_old_connections, connection, connections
from django.http import HttpResponse
from django.test import Client
from django.urls import clear_script_prefix

from jay_sessions import bounded_cache
from jay_sessions.api import throttling
from jay_sessions.core import key_text
from jay_sessions.database import clock, leases
from jay_sessions.database import connections as shared
from jay_sessions.models import ApiKey, Scope
from jay_sessions.store import ended, ended_ids, group

from .support.redis_server import REDIS_URL

# Slow machines are no failures; a fixture that lasts for all examples of a test is meant to.
hypothesis.settings.register_profile(
    "suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
hypothesis.settings.load_profile("suite")

PLAYOUT = "netflix-de:s01e01"
PATH = f"/playouts/{PLAYOUT}/tracking/session"
COOKIE = "__Secure-jay_tracking"
EXAMPLE_TOKEN = (
    "eyJzZXNzaW9uX2lkIjoiZXhhbXBsZS1zZXNzaW9uLWlkLTEyMzQiLCJzdGFydF90aW1lIjoiMjAyNS0wMS0wMVQxMjow"
    "MDowMC4wMDAwMDAiLCJzb3VyY2UiOiJqYXkuYXBpLnBsYXlvdXQuZXhhbXBsZSJ9"
)


SLOW = ("server", "browser", "durability", "once")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow files: otherwise one process still runs the last of them while the others idle."""
    for item in items:
        if item.path.parent.name in ("docs", "project"):
            item.add_marker("once")
    slow = {item.path for item in items if any(map(item.get_closest_marker, SLOW))}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def _empty_cache():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def _no_prefix():
    yield
    # Django's handlers leave that of their last request, and its test client sets none.
    clear_script_prefix()


@pytest.fixture(autouse=True)
def _nothing_shared():
    yield
    forget_shared()


@pytest.fixture(autouse=True)
def _one_time(monkeypatch):
    """Let PostgreSQL share the test's time, where that has one of its own."""
    has_one = clock._has_one
    monkeypatch.setattr(
        clock, "_has_one", lambda connection: has_one(connection) and not time_machine.traveller_stack
    )


class Clock:
    """A clock that gives seconds, and that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture
def connections_stay_open() -> Iterator[None]:
    """Let no request close the test's connection, as Django's own test client has it."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def issue_key(db) -> Callable[..., str]:
    """Issue an API key with the given fields; gives its text."""

    def issue(name: str = "test", **fields: Any) -> str:
        return ApiKey.objects.issue(name, **fields)[1]

    return issue


@pytest.fixture
def key(issue_key) -> str:
    """An API key for everything."""
    return issue_key(scopes=Scope.values)


@pytest.fixture
def api(key) -> Client:
    """A client that sends the key, and raises what Django would turn into a page."""
    return Client(headers={"X-API-Key": key})


@pytest.fixture
def setting(settings) -> Callable[..., None]:
    """Set names of JAY_SESSIONS for one test."""

    def change(**values: Any) -> None:
        settings.JAY_SESSIONS = {**settings.JAY_SESSIONS, **values}

    return change


def operator(*codenames: str) -> Client:
    """A client signed in as a member of staff with these permissions."""
    user = User.objects.create_user("operator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def key_of(text: str) -> ApiKey | None:
    """The API key with this text, as it is stored."""
    return ApiKey.objects.with_digest(key_text.digest(text))


def token_of(response: HttpResponse) -> str:
    assert response.status_code == 200, response.content
    return response["X-JAY-TRACKING"]


def error_of(response: HttpResponse) -> tuple[int, int, Any]:
    """Status, error.code and error.details of an answer that must be an error and nothing else."""
    body = json.loads(response.content)
    assert set(body) == {"error"}, body
    assert set(body["error"]) == {"code", "message", "details"}, body
    return response.status_code, body["error"]["code"], body["error"]["details"]


def unavailable(reason: str) -> NoReturn:
    """Skip a lane whose server is absent; where CI has set it up, that is a failure."""
    if os.environ.get("JAY_TESTS_MUST_NOT_SKIP"):
        pytest.fail(reason)
    pytest.skip(reason)


def need_shell() -> None:
    """Skip what types what the documentation shows, where there is nothing to type it into."""
    if not shutil.which("bash") or not shutil.which("curl"):
        unavailable("bash and curl are not installed.")


def until(condition: Callable[[], Any]) -> None:
    """Return once it holds, which others see to; raises AssertionError where it does not in 10 seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def unsigned(**changes: Any) -> str:
    """A token as another issuer writes it; what is changed to `...` is left out."""
    members = {
        "session_id": "example-session-id-1234",
        "start_time": "2025-01-01T12:00:00.000000",
        "source": "jay.api.playout.example",
        **changes,
    }
    members = {name: value for name, value in members.items() if value is not ...}
    return base64.b64encode(json.dumps(members).encode()).decode()


def members_of(encoded: str) -> dict[str, Any]:
    """What a token of ours says, read as any client would."""
    return json.loads(base64.b64decode(encoded, validate=True))


@pytest.fixture
def shared_cache() -> Iterator[str]:
    """The URL of a Redis that is emptied before and after."""
    with redis.Redis.from_url(REDIS_URL) as client:
        try:
            client.flushdb()
        except redis.ConnectionError:
            unavailable(f"Nothing answers at {REDIS_URL}.")
        yield REDIS_URL
        client.flushdb()


@contextlib.contextmanager
def store_down() -> Iterator[None]:
    """Put a PostgreSQL that nobody listens for in the place of this thread's connection."""
    from django.db.backends.postgresql.base import DatabaseWrapper

    healthy = connections[DEFAULT_DB_ALIAS]
    with _nobody_listens(healthy.settings_dict) as dead:
        connections[DEFAULT_DB_ALIAS] = DatabaseWrapper(dead, DEFAULT_DB_ALIAS)
        try:
            yield
        finally:
            connections[DEFAULT_DB_ALIAS] = healthy


@contextlib.contextmanager
def dead_database() -> Iterator[None]:
    """The same for the connections that the process shares."""
    healthy = connections.settings[DEFAULT_DB_ALIAS]
    with store_down(), _nobody_listens(healthy) as dead:
        connections.settings[DEFAULT_DB_ALIAS] = {**dead, "ENGINE": "django.db.backends.postgresql"}
        forget_shared()
        try:
            yield
        finally:
            connections.settings[DEFAULT_DB_ALIAS] = healthy
            forget_shared()


@contextlib.contextmanager
def _nobody_listens(settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        place = {"HOST": "127.0.0.1", "PORT": closed.getsockname()[1], "NAME": "nobody", "USER": "nobody"}
        yield {**settings, **place, "PASSWORD": "", "OPTIONS": {}}


def forget_shared() -> None:
    """Let the process begin anew with what its threads share, and the tasks of its event loops."""
    shared.close_all()
    leases.forget()
    group.recordings.forget()
    ended.look_ups.forget()
    ended.ends.forget()
    ended_ids.forget()
    bounded_cache.forget()
    throttling.forget()


@contextlib.contextmanager
def sql_refused(part: str) -> Iterator[None]:
    """Let the database be away for the statements that hold `part`, and only for them."""

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if part in sql:
            raise OperationalError("server closed the connection unexpectedly")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        yield
