"""The fast paths of a site with a database: the lane, the keys, the statements."""

import io
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from time import monotonic
from typing import Any, cast

from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIHandler

from jay_sessions.api import key_cache
from jay_sessions.core import key_text
from jay_sessions.core.uuid7 import uuid7_text
from jay_sessions.database.connections import SharedConnection
from jay_sessions.lane import ordinary as lane_ordinary
from jay_sessions.lane import site as lane_site
from jay_sessions.models import ApiKey, EndedSession, TrackingSession
from jay_sessions.store import statements
from jay_sessions.store.statements import Row

from ..layers import COOKIE, PATH, Application, environ_of, request
from .core import ENCODED, NOW, PLAYOUT, TOKEN
from .pair import Call, Pair

TOGETHER = 16
"""Rows of a commit, and sessions of a look-up."""

HOUR = 3600.0


def requests(application: Application, key: str) -> tuple[Call, Call]:
    """Return what sends a POST and what sends a GET."""
    cookie = f"{COOKIE}={request(application, 'POST', key)}"
    return (
        partial(request, application, "POST", key, "user_id=user-000001"),
        partial(request, application, "GET", key, cookie=cookie),
    )


def pairs(key: str) -> Iterator[Pair]:
    """Give all of them; `key` is one of the database's."""
    from project.wsgi import application

    (post, get), (plain_post, plain_get) = requests(application, key), requests(WSGIHandler(), key)
    yield Pair(name="lane, POST", fast=post, plain=plain_post, says="Django and the view", post=1)
    yield Pair(name="lane, GET", fast=get, plain=plain_get, says="Django and the view", get=1)
    # So that none of them looks the key up meanwhile.
    digest = key_text.digest(key)
    found = cast(ApiKey, ApiKey.objects.with_digest(digest))
    key_cache._known[digest] = key_cache.Entry(found, monotonic() + HOUR)
    yield from _of_the_lane(key)
    yield Pair(
        name="key_cache.known",
        fast=lambda: key_cache.known(digest),
        plain=lambda: ApiKey.objects.with_digest(digest),
        says="a query",
        post=1,
        get=1,
    )
    shared = SharedConnection("default")
    yield from _of_statements(shared)
    shared.close()


def _of_the_lane(key: str) -> Iterator[Pair]:
    ordinary = lane_ordinary.OrdinaryRequests(lane_site.as_text)
    environ = environ_of("GET", key, cookie=f"{COOKIE}={ENCODED}")
    yield Pair(
        name="lane.ordinary: requests alike",
        fast=lambda: ordinary.find(environ),
        plain=_after(ordinary._known.clear, lambda: ordinary.find(environ)),
        says="each request looked at",
        post=1,
        get=1,
    )
    site = ordinary.site
    yield Pair(
        name="lane.site.headers",
        fast=lambda: site.headers(environ),
        plain=_after(site._headers.clear, lambda: site.headers(environ)),
        says="the middleware asked (for a request that is looked at)",
    )
    scope = _scope(environ)
    yield Pair(
        name="lane.scope.environ_of",
        fast=lambda: ordinary.environ_of(scope),
        plain=lambda: ASGIRequest(scope, io.BytesIO()).META,
        says="`ASGIRequest.META` (under ASGI)",
        post=1,
        get=1,
    )


def _of_statements(shared: SharedConnection) -> Iterator[Pair]:
    connection, bits = shared.wrapper, itertools.count(1)
    ids = [uuid7_text(NOW, next(bits)) for _ in range(TOGETHER)]

    def rows() -> list[Row]:
        given = (PLAYOUT, "netflix", "user-000001", TOKEN.source, NOW, 1, None)
        return [Row(uuid7_text(NOW, next(bits)), *given) for _ in range(TOGETHER)]

    def by_djangos_cursor(sql: str, values: list[Any]) -> object:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    insertion, question = statements._insertion(TOGETHER), statements._question(TOGETHER)
    share = 1 / TOGETHER
    yield Pair(
        name=f"statements.insert_all, {TOGETHER} rows",
        fast=lambda: statements.insert_all(connection, rows()),
        plain=lambda: TrackingSession.objects.bulk_create([row.as_session() for row in rows()]),
        says="`bulk_create`",
        post=share,
    )
    yield Pair(
        name="its cursor that plans",
        fast=lambda: statements.insert_all(connection, rows()),
        plain=lambda: by_djangos_cursor(insertion, statements._values(connection, rows())),
        says="Django's cursor",
        post=share,
    )
    yield Pair(
        name=f"statements.ended_of, {TOGETHER} ids",
        fast=lambda: statements.ended_of(connection, ids),
        plain=lambda: set(
            EndedSession.objects.filter(session_id__in=ids).values_list("session_id", flat=True)
        ),
        says="`filter(…).values_list(…)`",
        get=share,
    )
    yield Pair(
        name="its cursor that plans",
        fast=lambda: statements.ended_of(connection, ids),
        plain=lambda: by_djangos_cursor(question, ids),
        says="Django's cursor",
        get=share,
    )


def _after(forget: Callable[[], None], call: Call) -> Call:
    def both() -> object:
        forget()
        return call()

    return both


def _scope(environ: dict[str, Any]) -> dict[str, Any]:
    headers = {"host": "HTTP_HOST", "x-api-key": "HTTP_X_API_KEY", "cookie": "HTTP_COOKIE"}
    return {
        "type": "http",
        "method": "GET",
        "path": PATH,
        "query_string": b"",
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "headers": [(name.encode(), environ[key].encode()) for name, key in headers.items()],
    }
