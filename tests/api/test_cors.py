"""Pages on other origins, against the example site as its environment variables set it up."""

import contextlib
import json
import subprocess
import sys

import pytest

from ..conftest import COOKIE, PATH
from ..support import servers

ORIGIN = "https://www.example.com"
OTHER = "https://tv.example:8443"
HEADERS = {"content-type", "x-api-key", "x-jay-tracking", "x-api-version"}
VERBS = ["GET", "HEAD", "POST", "DELETE"]
API = [PATH, "/playouts/x/tracking/unknown", "/v3/sessions/x"]
STRANGERS = [
    "https://evil.example",
    "http://www.example.com",
    "https://www.example.com:8443",
    "https://example.com",
    "https://a.www.example.com",
    "https://www.example.com.evil.example",
    "https://www.example.com@evil.example",
    "https://[",
    "null",
    "*",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CORS_ALLOWED_ORIGINS", f"{ORIGIN}, {OTHER}")
            patch.setenv("JAY_COOKIE_SAMESITE", "None")
            running = stack.enter_context(servers.running("granian", tmp_path_factory.mktemp("cors")))
        yield running


def call(server, method, path=PATH, **headers):
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    with contextlib.closing(server.connect()) as connection:
        connection.request(method, path, headers=sent)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def preflight(server, path, method, origin):
    asked = {"Access_Control_Request_Method": method, "Access_Control_Request_Headers": "x-api-key"}
    return call(server, "OPTIONS", path, Origin=origin, **asked)


def words(value):
    return {word.strip().lower() for word in (value or "").split(",") if word.strip()}


def cors_headers(headers):
    return {name: value for name, value in headers.items() if name.lower().startswith("access-control")}


@pytest.mark.server
@pytest.mark.parametrize("path", API)
@pytest.mark.parametrize("method", VERBS)
def test_a_preflight_needs_no_key_and_names_what_the_page_may_send(server, method, path):
    status, headers, body = preflight(server, path, method, ORIGIN)
    assert (status, body) == (200, b"")
    assert headers["Access-Control-Allow-Origin"] == ORIGIN
    assert headers["Access-Control-Allow-Credentials"] == "true"
    assert method.lower() in words(headers["Access-Control-Allow-Methods"])
    assert words(headers["Access-Control-Allow-Headers"]) >= HEADERS
    assert int(headers["Access-Control-Max-Age"]) > 0
    assert "origin" in words(headers["Vary"])
    assert "Set-Cookie" not in headers


@pytest.mark.server
def test_a_preflight_allows_only_the_methods_and_headers_of_the_api(server):
    _, headers, _ = preflight(server, PATH, "PUT", ORIGIN)
    assert words(headers["Access-Control-Allow-Methods"]) == {*map(str.lower, VERBS), "options"}
    assert words(headers["Access-Control-Allow-Headers"]) == {*HEADERS, "accept"}


@pytest.mark.server
def test_a_preflight_has_the_security_headers_of_the_site(server):
    _, headers, _ = preflight(server, PATH, "GET", ORIGIN)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.server
@pytest.mark.parametrize("origin", [ORIGIN, OTHER])
def test_a_page_of_a_named_origin_starts_reads_and_ends_a_session_by_cookie(server, origin):
    sent = {"Origin": origin, "X_API_Key": server.key}
    status, headers, body = call(server, "POST", **sent)
    assert status == 200
    assert cors_headers(headers) == {
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "X-JAY-TRACKING, X-API-Version, Retry-After",
    }
    pair, *flags = [part.strip() for part in headers["Set-Cookie"].split(";")]
    assert pair == f"{COOKIE}={headers['X-JAY-TRACKING']}"
    assert {"SameSite=None", "Secure", "HttpOnly"} <= set(flags)
    assert json.loads(call(server, "GET", Cookie=pair, **sent)[2]) == json.loads(body)
    status, headers, _ = call(server, "DELETE", Cookie=pair, **sent)
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, origin)
    assert "SameSite=None" in headers["Set-Cookie"]
    assert call(server, "GET", Cookie=pair, **sent)[0] == 400


@pytest.mark.server
@pytest.mark.parametrize("path", API)
def test_a_page_may_read_errors_too(server, path):
    status, headers, _ = call(server, "GET", path, Origin=ORIGIN)
    assert status in (401, 404)
    assert headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.server
@pytest.mark.parametrize("path", API)
def test_an_answer_says_to_caches_that_it_depends_on_the_origin(server, path):
    for headers in ({}, {"Origin": ORIGIN}, {"Origin": STRANGERS[0]}):
        assert "origin" in words(call(server, "GET", path, **headers)[1]["Vary"])


@pytest.mark.server
@pytest.mark.parametrize("origin", STRANGERS)
def test_another_origin_gets_nothing(server, origin):
    for path in API:
        for method in VERBS:
            assert cors_headers(preflight(server, path, method, origin)[1]) == {}
        assert cors_headers(call(server, "GET", path, Origin=origin, X_API_Key=server.key)[1]) == {}


@pytest.mark.server
def test_a_client_without_an_origin_gets_nothing(server):
    status, headers, _ = call(server, "POST", X_API_Key=server.key)
    assert (status, cors_headers(headers)) == (200, {})


@pytest.mark.server
@pytest.mark.parametrize(
    "path", ["/", "/admin/", "/admin/login/", "/admin/jay_sessions/apikey/", "/static/x"]
)
def test_what_is_not_the_api_never_gets_one(server, path):
    assert cors_headers(preflight(server, path, "GET", ORIGIN)[1]) == {}
    assert cors_headers(call(server, "GET", path, Origin=ORIGIN)[1]) == {}


@pytest.mark.django_db
@pytest.mark.parametrize("path", [*API, "/", "/admin/login/"])
def test_without_the_variable_no_answer_has_a_cors_header(api, path):
    asked = {"Access-Control-Request-Method": "GET"}
    for origin in (ORIGIN, "null"):
        for method in (*VERBS, "OPTIONS"):
            response = api.generic(method, path, headers={"Origin": origin, **asked})
            assert cors_headers(response.headers) == {}
            assert "origin" not in words(response.headers.get("Vary"))


@pytest.mark.django_db
def test_without_the_variables_options_is_the_apis_own_and_the_cookie_is_lax(client, api):
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    assert client.options(PATH, headers=headers).status_code == 204
    assert api.post(PATH).cookies[COOKIE]["samesite"] == "Lax"


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("CORS_ALLOWED_ORIGINS", "www.example.com", "corsheaders.E013"),
        ("CORS_ALLOWED_ORIGINS", "https://www.example.com/", "corsheaders.E014"),
        ("CORS_ALLOWED_ORIGINS", "*", "corsheaders.E013"),
        ("JAY_COOKIE_SAMESITE", "none of it", "jay_sessions.E008"),
    ],
)
def test_a_value_that_cannot_work_is_named_by_check(tmp_path, name, value, found):
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=servers.ROOT,
        env={**servers.example_site(f"sqlite:///{tmp_path / 'db'}"), name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert found in done.stderr
