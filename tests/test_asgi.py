"""The endpoints under ASGI, where path, query and body reach Django in another way."""

import json
from urllib.parse import unquote_to_bytes

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient
from django.test.client import FakePayload

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
        "headers": [(b"host", b"localhost"), (b"x-api-key", key.encode()), *headers],
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
