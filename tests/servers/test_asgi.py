"""The endpoints under ASGI, where path, query and body reach Django in another way."""

import json
from urllib.parse import unquote_to_bytes

import pytest
from asgiref.sync import async_to_sync
from django.http import JsonResponse
from django.test import AsyncClient
from django.test.client import FakePayload
from django.urls import path

from jay_sessions import sessions
from jay_sessions.api.request import before_request

from ..conftest import COOKIE

pytestmark = pytest.mark.django_db

PATH = b"/playouts/netflix-de/tracking/session"
JSON = (b"content-type", b"application/json")


def call(key, method, path=PATH, *, query=b"", body=b"", headers=()):
    """Send a request as an ASGI server hands it over: no length, the path as sent and decoded."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": unquote_to_bytes(path).decode(errors="replace"),
        "raw_path": path,
        "query_string": query,
        "headers": [*([(b"host", b"localhost"), (b"x-api-key", key.encode())] if key else []), *headers],
        "_body_file": FakePayload(body),
    }
    response = async_to_sync(AsyncClient().request)(**scope)
    return response.status_code, response.headers, json.loads(response.content)


def test_a_session_lives_from_post_to_delete(key):
    status, headers, body = call(key, "POST", query=b"user_id=J%C3%BCrgen")
    assert (status, body["data"]["userId"]) == (200, "Jürgen")
    carried = [(b"x-jay-tracking", headers["X-JAY-TRACKING"].encode())]
    assert call(key, "GET", headers=carried)[2] == body
    assert call(key, "DELETE", headers=carried)[0] == 200
    assert call(key, "GET", headers=carried)[0] == 400


def test_cookies_in_fields_of_their_own_count_as_one(key):
    token = call(key, "POST")[1]["X-JAY-TRACKING"]
    fields = [b"theme=dark", f"{COOKIE}={token}".encode(), b"lang=de"]
    headers = [(b"cookie", field) for field in fields]
    assert call(key, "GET", headers=headers)[0] == 200
    ended = {"message": "The tracking session has ended."}
    assert call(key, "DELETE", headers=headers)[2]["data"] == ended
    assert call(key, "GET", headers=headers)[0] == 400


def test_a_view_of_the_site_sees_the_session_of_cookies_in_fields_of_their_own(settings):
    settings.ROOT_URLCONF = "tests.servers.test_asgi"
    token = sessions.start("netflix-de").encoded
    headers = [(b"host", b"localhost"), (b"cookie", b"a=1"), (b"cookie", f"{COOKIE}={token}".encode())]
    assert call(None, "GET", b"/seen", headers=headers)[2] == {"seen": True, "a": "1"}


def seen(request):
    return JsonResponse({"seen": bool(request.tracking_session), "a": request.COOKIES.get("a")})


urlpatterns = [path("seen", seen)]


@pytest.mark.parametrize("spoofed_first", [True, False])
def test_a_header_with_an_underscore_is_not_ours(key, spoofed_first):
    scope = {"type": "http", "headers": [(b"x-api-key", b"real"), (b"x-forwarded-for", b"192.0.2.1")]}
    spoofed = [(b"x_api_key", b"made up"), (b"x_forwarded_for", b"192.0.2.2"), (b"x_jay-tracking", b"x")]
    real = scope["headers"]
    scope["headers"] = [*spoofed, *real] if spoofed_first else [*real, *spoofed]
    before_request(scope=scope)
    assert scope["headers"] == real
    assert call(None, "POST", headers=[(b"host", b"localhost"), (b"x_api_key", key.encode())])[0] == 401


def test_a_body_without_a_length_is_read(key):
    status, _, body = call(key, "POST", body=b'{"user_id": "ada"}', headers=[JSON])
    assert (status, body["data"]["userId"]) == (200, "ada")


def test_a_body_without_a_length_is_bounded(key):
    assert call(key, "POST", body=b" " * 65537, headers=[JSON])[0] == 413


@pytest.mark.parametrize(
    ("path", "query", "loc"),
    [
        (b"/playouts/%FF/tracking/session", b"", ["path", "playout_id"]),
        (b"/playouts/x%0A/tracking/session", b"", ["path", "playout_id"]),
        (PATH, b"user_id=%FF", ["query", "user_id"]),
    ],
)
def test_what_is_no_text_is_refused(key, path, query, loc):
    status, _, body = call(key, "POST", path, query=query)
    assert (status, body["detail"][0]["loc"]) == (422, loc)


def test_a_playout_id_beyond_ascii_is_taken(key):
    assert call(key, "POST", b"/playouts/%F0%9F%8E%AC/tracking/session")[0] == 200
