"""The headers of every answer: what keeps browsers careful is there, and nothing of the request."""

import json
from urllib.parse import quote

import pytest
from django.test import Client

from ..conftest import COOKIE, PATH, unsigned
from ..support import servers

INJECTED = "X-Injected: yes"
BREAKS = ["\r\n", "\n", "\r", "\x0b", "\x85", "\u2028", "\u560a\u560d", "\u010a\u010d", "%0d%0a"]
OURS = {
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "cross-origin-opener-policy",
    "date",
    "referrer-policy",
    "retry-after",
    "server",
    "set-cookie",
    "transfer-encoding",
    "vary",
    "www-authenticate",
    "x-api-version",
    "x-content-type-options",
    "x-frame-options",
    "x-jay-tracking",
}


def fail(playout_id):
    raise ZeroDivisionError


def break_header(playout_id):
    return f"netflix\r\n{INJECTED}"


# Status, method, path and headers; the key is sent unless the status is 401.
ANSWERS = [
    (200, "POST", PATH, {}),
    (200, "DELETE", PATH, {}),
    (204, "OPTIONS", PATH, {}),
    (400, "GET", PATH, {}),
    (401, "POST", PATH, {}),
    (401, "GET", "/v3/sessions/x", {}),
    (404, "GET", "/playouts/x/tracking/nothing", {}),
    (405, "PUT", PATH, {}),
    (405, "POST", "/v3/sessions/x", {}),
    (406, "GET", PATH, {"X-API-Version": "1"}),
    (422, "POST", f"{PATH}?user_id=%00", {}),
    (422, "GET", "/v3/sessions/%00", {}),
    (500, "POST", PATH, {}),
    (501, "GET", "/v3/sessions/x", {}),
]


@pytest.fixture
def ask(key, setting):
    """Send one of ANSWERS; return the answer, whose status must be the expected one."""

    def send_one(expected, **more):
        status, method, path, headers = expected
        if status == 500:
            setting(PROVIDER_RESOLVER=fail)
        sent = headers if status == 401 else {"X-API-Key": key, **headers}
        response = Client(raise_request_exception=False).generic(method, path, headers=sent, **more)
        assert response.status_code == status
        return response

    return send_one


def name_of(expected):
    return f"{expected[0]} {expected[1]} {expected[2]}"


@pytest.mark.parametrize("expected", ANSWERS, ids=name_of)
def test_every_answer_keeps_browsers_careful(ask, expected):
    response = ask(expected)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in response
    assert set(map(str.lower, response.headers)) <= OURS


@pytest.mark.parametrize("expected", ANSWERS, ids=name_of)
def test_behind_https_every_answer_keeps_browsers_there(ask, expected, settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 31536000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True
    response = ask(expected, secure=True)
    assert response["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"


@pytest.mark.django_db
def test_a_providers_name_with_a_line_break_reaches_no_header(api, setting):
    setting(PROVIDER_RESOLVER=break_header)
    api.raise_request_exception = False
    response = api.post(PATH)
    assert response.status_code == 500
    assert INJECTED not in str(response.headers)


@pytest.mark.django_db
@pytest.mark.parametrize("member", ["user_id", "provider_name", "source", "session_id"])
def test_a_token_with_a_line_break_is_no_session(api, member):
    token = unsigned(**{member: f"a\r\n{INJECTED}"})
    assert api.get(PATH, headers={"X-JAY-TRACKING": token}).status_code == 400


@pytest.fixture(scope="module", params=list(servers.COMMANDS))
def server(request, tmp_path_factory):
    with servers.running(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


def send(server, method, target, *lines, body=b""):
    """Send a request; return the status and the lines of the answer's head, below the first."""
    head = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close", *lines]
    head += [f"Content-Length: {len(body)}", "", ""]
    first, *rest = server.raw("\r\n".join(head).encode() + body).partition(b"\r\n\r\n")[0].split(b"\r\n")
    return int(first.split(b" ", 2)[1]), [line.decode("latin-1") for line in rest]


def check(lines):
    """Nothing but headers that we know, one a line, none of them made up by the client."""
    assert {line.partition(":")[0].lower() for line in lines} <= OURS
    assert not [line for line in lines if "\n" in line or "\r" in line]
    assert not [line for line in lines if "injected" in line.lower()]


@pytest.mark.server
@pytest.mark.parametrize("break_", BREAKS, ids=ascii)
def test_no_line_break_reaches_a_header(server, break_):
    bad = f"netflix{break_}{INJECTED}"
    key = f"X-API-Key: {server.key}"
    paths = [
        f"/playouts/{quote(bad)}/tracking/session",
        f"/playouts/x/tracking/{quote(bad)}",
        f"/playouts/{quote(bad)}/tracking",
        f"{PATH}?user_id={quote(bad)}",
        f"{PATH}?{quote(bad)}",
        f"/v3/sessions/{quote(bad)}",
    ]
    for path in paths:
        for method in ("GET", "POST", "DELETE", "OPTIONS", "PATCH"):
            for lines in ([], [key]):
                status, answered = send(server, method, path, *lines)
                assert status < 500 or "/v3/" in path
                check(answered)
    for kind, body in [
        ("application/json", json.dumps({"user_id": bad})),
        ("application/x-www-form-urlencoded", f"user_id={quote(bad)}"),
    ]:
        status, answered = send(server, "POST", PATH, key, f"Content-Type: {kind}", body=body.encode())
        assert status in (200, 422)
        check(answered)


@pytest.mark.server
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("with_key", [True, False])
def test_nothing_of_the_request_is_repeated_in_a_header(server, method, with_key):
    mark = "injected-7f3a"
    lines = [
        *(
            f"{name}: {mark}"
            for name in (
                "Accept",
                "Accept-Language",
                "Origin",
                "Referer",
                "User-Agent",
                "X-Forwarded-For",
                "X-Forwarded-Host",
                "X-JAY-TRACKING",
                "X-Request-ID",
                mark,
            )
        ),
        f"Cookie: {COOKIE}={mark}; {mark}={mark}",
        f"Access-Control-Request-Method: {mark}",
        f"X-API-Key: {server.key if with_key else mark}",
    ]
    for path in (f"/playouts/{mark}/tracking/session?user_id={mark}", f"/v3/sessions/{mark}?{mark}={mark}"):
        for more in ([], [f"X-API-Version: {mark}"], [f"Content-Type: {mark}/{mark}"]):
            check(send(server, method, path, *lines, *more, body=mark.encode())[1])
