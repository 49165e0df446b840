"""Sites of all kinds, and what must hold of a fast lane in front of them, whichever it is."""

import json
import re
from typing import Any

from django.core.cache import cache

from jay_sessions import bounded_cache, conf, sessions
from jay_sessions.api import throttling
from jay_sessions.core import tokens
from jay_sessions.lane import answers
from jay_sessions.models import ApiKey, TrackingSession

from ..conftest import EXAMPLE_TOKEN, PATH, PLAYOUT, dead_database
from .lane_requests import environ, request


class App:
    """An application, called as a server does, with keys that it is known by.

    A subclass makes it of WSGI or ASGI. `django_answered` counts what came to Django.
    """

    def __init__(self, name: str):
        self.django_answered = 0
        self._keys = {
            word: ApiKey.objects.issue(f"{name} {word.lower()}", **fields)[1]
            for word, fields in (("KEY", {}), ("LIMITED", {"playouts": ["zdf*"]}))
        }

    def environ(self, **given: Any) -> dict[str, Any]:
        """Return the WSGI environ of a request; `KEY` and `LIMITED` stand for the application's keys."""
        for word, key in self._keys.items():
            if given.get("HTTP_X_API_KEY"):
                given["HTTP_X_API_KEY"] = given["HTTP_X_API_KEY"].replace(word, key)
        return environ(**given)


def knowing_its_key(app):
    """Return the application with the lane, which has looked its key up."""
    assert app(path=PATH, HTTP_X_API_KEY="KEY")[0] == 400
    app.django_answered = 0
    return app


def assert_answers_are_the_same(with_lane, without, rng, each):
    """Send both so many requests; return how many of them the lane has answered."""
    known = [EXAMPLE_TOKEN, *(sessions.start(PLAYOUT, user).encoded for user in ("user-1", None))]
    for number in range(each):
        given = request(rng, known)
        before = TrackingSession.objects.count()
        expected = without(**given)
        made = rows()[before:]
        answer = with_lane(**given)
        assert answer[0] == expected[0], (number, given)
        assert plain(*answer[1:]) == plain(*expected[1:]), (number, given)
        # The same row, or none; and what one of them ends, the other finds ended.
        assert rows()[before + len(made) :] == made, (number, given)
        token = headers_of(answer[1]).get("x-jay-tracking")
        if token and len(known) < 50:
            known.append(token)
    assert without.django_answered == each
    return each - with_lane.django_answered


def token_of(lane):
    """Start a session; return its token."""
    return headers_of(lane(method="POST", path=PATH, HTTP_X_API_KEY="KEY")[1])["x-jay-tracking"]


def assert_store_is_unavailable(lane, token):
    """Ask the lane while its database is away."""
    with dead_database():
        for method in ("POST", "GET"):
            given = {"method": method, "path": PATH, "HTTP_X_API_KEY": "KEY", "HTTP_X_JAY_TRACKING": token}
            status, headers, body = lane(**given)
            assert (status, json.loads(body)["error"]["details"]) == (503, "STORE_UNAVAILABLE")
            assert "retry-after" in headers_of(headers)


def assert_each_is_counted_once(lane, monkeypatch):
    """Ask the lane eight times with a key that may be used five times."""
    cache.clear()
    bounded_cache.forget()
    # A busy machine may take longer than a cache may.
    monkeypatch.setattr(bounded_cache._guards.get().threads, "_limit", 30)
    counted, wait = [], throttling._seconds_to_wait

    def watch(count, *args):
        counted.append(count)
        return wait(count, *args)

    monkeypatch.setattr(throttling, "_seconds_to_wait", watch)
    ask = {"method": "POST", "path": PATH, "HTTP_X_API_KEY": "KEY"}
    assert [lane(**ask)[0] for _ in range(8)] == [200] * 5 + [429] * 3
    assert lane.django_answered == 3
    assert len(counted) == 8


def assert_a_fault_is_logged_and_djangos_to_answer(lane, monkeypatch, caplog):
    """Let the lane fail in the middle of an answer."""

    def fail(*args, **kwargs):
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(answers, "body_of", fail)
    assert lane(method="POST", path=PATH, HTTP_X_API_KEY="KEY")[0] == 200
    assert lane.django_answered == 1
    assert "ZeroDivisionError" in caplog.text


GZIP = "django.middleware.gzip.GZipMiddleware"


def assert_it_says_what_it_goes_past(make_lane, settings, caplog):
    """Make a lane in front of middleware that it knows, and of some that it does not."""
    make_lane()
    assert caplog.text == ""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, GZIP]
    make_lane()
    assert GZIP in caplog.text


def headers_of(headers):
    return {name.lower(): value for name, value in headers}


def plain(headers, body):
    """What must be the same: all but ids, times, signatures, and the order of headers."""
    named = [(name.lower(), str(value)) for name, value in headers]
    # An answer to HEAD has the length of what GET is answered.
    assert not body or all(int(value) == len(body) for name, value in named if name == "content-length")
    text = re.sub(rb'"sessionId":"[^"]{36}"', b'"sessionId":"-"', body)
    text = re.sub(rb'"startTime":"[^"]{26}"', b'"startTime":"-"', text)
    return sorted((name, str(PLAIN.get(name, str)(value))) for name, value in named), text


def _of_cookie(value):
    pair, *flags = value.strip().split("; ")
    name, _, said = pair.partition("=")
    told = sorted(re.sub("(?<=^expires=).*", "-", flag) for flag in flags)
    return name, name == conf.get().cookie_name and _of_token(said.strip('"')), told


def _of_token(encoded):
    if not encoded:
        return encoded
    token = tokens.decode(encoded, conf.get().signing_keys)
    return (token.source, token.user_id, token.provider_name, token.signed)


PLAIN = {"set-cookie": _of_cookie, "x-jay-tracking": _of_token, "retry-after": bool}


def rows():
    names = ("playout_id", "provider_name", "user_id", "source", "end__ended_at", "zephr_session_id")
    return list(TrackingSession.objects.order_by("pk").values_list(*names))


COMMON = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
ZEPHR = {"TENANT": "acme", "ACCESS_KEY": "access", "SECRET_KEY": "secret"}
SITES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "as it is": ({}, {}),
    "https": (
        {
            "SECURE_HSTS_SECONDS": 60,
            "SECURE_SSL_REDIRECT": True,
            "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
        },
        {
            "SESSION_LIFETIME": 3600,
            "COOKIE_DOMAIN": "example.com",
            "COOKIE_SAMESITE": "None",
            "COOKIE_PARTITIONED": True,
            "REQUIRE_SIGNED_TOKENS": True,
        },
    ),
    "other origins": (
        {
            "CORS_ALLOWED_ORIGINS": ["https://www.example.com"],
            "CORS_URLS_REGEX": "/playouts/[^z]",
            "CSRF_USE_SESSIONS": True,
        },
        {"COOKIE_NAME": "token"},
    ),
    "throttled and linked": (
        {"DISALLOWED_USER_AGENTS": [re.compile("BadBot")], "ALLOWED_HOSTS": ["*"]},
        {
            "THROTTLE_RATES": {"key": "150/day", "anonymous": "20/day"},
            "ZEPHR": {**ZEPHR, "LINK_SESSIONS": True},
        },
    ),
    "bare": (
        {"MIDDLEWARE": [], "USE_X_FORWARDED_HOST": True},
        {"PROVIDER_NAMES": {"netflix-*": "nflx", "z*": None}},
    ),
    "private": (
        {},
        {
            "USER_ID_STORAGE": "hashed",
            "GLOBAL_PRIVACY_CONTROL": True,
            "ZEPHR": {**ZEPHR, "LINK_SESSIONS": True},
        },
    ),
    "without users": ({}, {"USER_ID_STORAGE": "none"}),
    "api only": ({"MIDDLEWARE": COMMON, "USE_X_FORWARDED_PORT": True}, {"PROVIDER_RESOLVER": str.upper}),
}


def make_site(settings, setting, name, **more):
    """Give the tests' site the settings of one of `SITES`; `more` are of ours."""
    of_django, of_ours = SITES[name]
    for key, value in of_django.items():
        setattr(settings, key, value)
    setting(**of_ours, **more)


ORDINARY: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"CONTENT_LENGTH": "0"}, True),
    ({"CONTENT_LENGTH": "0", "SERVER_PROTOCOL": "HTTP/2.0"}, True),
    ({"SERVER_PROTOCOL": "HTTP/2.0"}, False),
    ({"HTTP_TRANSFER_ENCODING": "chunked"}, False),
    ({"body": b"user_id=1", "CONTENT_TYPE": "application/x-www-form-urlencoded"}, False),
    ({"HTTP_ORIGIN": "https://example.com"}, False),
    ({"HTTP_HOST": "evil.example"}, False),
    ({"HTTP_X_API_VERSION": "2025-09-02"}, True),
    ({"HTTP_X_API_VERSION": "2025-08-04"}, True),
    ({"HTTP_X_API_VERSION": " 2025-08-27"}, True),
    ({"HTTP_X_API_VERSION": "2024-01-01"}, False),
    ({"HTTP_X_API_KEY": "nonsense"}, False),
    ({"HTTP_X_API_KEY": "LIMITED"}, False),
    ({"query": "user_id=%00"}, False),
    ({"query": "user_id=" + "%F0%9F%98%80" * 255}, False),
    ({"path": f"{PATH}/"}, True),
    ({"path": f"{PATH}s"}, False),
    ({"path": "/playouts/x/tracking/session\n"}, False),
    ({"HTTP_COOKIE": "csrftoken=x"}, False),
    ({"HTTP_COOKIE": "theme=dark; sessionid=x"}, False),
    ({"HTTP_COOKIE": "theme=dark"}, True),
    ({"method": "HEAD"}, False),
    ({"method": "DELETE"}, False),
    ({"SERVER_PROTOCOL": "HTTP/2"}, False),
    ({"CONTENT_LENGTH": "0", "SERVER_PROTOCOL": "HTTP/2"}, True),
    ({"query": "user_id=%FF"}, False),
    ({"SCRIPT_NAME": "/mounted"}, True),
]
"""What a POST to the endpoint has besides its key, and whether the lane answers it."""
