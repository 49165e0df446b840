"""Sites of all kinds for the fast lane, and what must be the same of an answer with it and without."""

import http.cookies
import re
from typing import Any

from jay_sessions import conf, tokens
from jay_sessions.models import TrackingSession


def headers_of(headers):
    return {name.lower(): value for name, value in headers}


def plain(headers, body):
    """What must be the same: all but ids, times, signatures, and the order of headers."""
    named = [(name.lower(), str(value)) for name, value in headers]
    assert all(int(value) == len(body) for name, value in named if name == "content-length")
    text = re.sub(rb'"sessionId":"[^"]{36}"', b'"sessionId":"-"', body)
    text = re.sub(rb'"startTime":"[^"]{26}"', b'"startTime":"-"', text)
    return sorted((name, str(PLAIN.get(name, str)(value))) for name, value in named), text


def _of_cookie(value):
    [morsel] = http.cookies.SimpleCookie(value).values()
    flags = sorted((name, bool(said) if name == "expires" else said) for name, said in morsel.items())
    return morsel.key, morsel.key == conf.get().cookie_name and _of_token(morsel.value), flags


def _of_token(encoded):
    if not encoded:
        return encoded
    token = tokens.decode(encoded, conf.get().signing_keys)
    return (token.source, token.user_id, token.provider_name, token.signed)


PLAIN = {"set-cookie": _of_cookie, "x-jay-tracking": _of_token, "retry-after": bool}


def rows():
    names = ("playout_id", "provider_name", "user_id", "source", "ended_at", "zephr_session_id")
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
