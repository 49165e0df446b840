"""`GET /v3/sessions/{id}` over HTTP, with the stand-in behind it."""

import concurrent.futures
import json
import re
import time

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client

from jay_sessions.models import ApiKey, Scope
from jay_sessions.zephr import gateway
from project.zephr_demo_sessions import DEMO_SESSIONS
from project.zephr_stand_in import ZephrStandIn

from ..conftest import error_of, until
from ..support.zephr_held import LOCAL_CACHE, Held, refusing, waiting

pytestmark = pytest.mark.django_db

SECRET = "the-secret-of-the-pair"
[SESSION_ID, *_] = DEMO_SESSIONS
PATH = f"/v3/sessions/{SESSION_ID}"


@pytest.fixture
def zephr(setting):
    with ZephrStandIn("access", SECRET) as running:
        configure(setting, running.base_url)
        yield running
    gateway._processes.clear()


def configure(setting, base_url, **options):
    pair = {"ACCESS_KEY": "access", "SECRET_KEY": SECRET}
    times = {"TIMEOUT": 0.6, "CONNECT_TIMEOUT": 0.3, "MAX_ATTEMPTS": 1}
    setting(ZEPHR={"BASE_URL": base_url, **pair, **times, **options})


def answering(status, body=b"{}", **headers):
    """A fault: answer this, whatever is asked."""

    def fault(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return fault


def test_the_session_is_answered_as_zephr_sends_it(api, zephr):
    response = api.get(PATH)
    assert response.status_code == 200
    assert json.loads(response.content) == DEMO_SESSIONS[SESSION_ID]
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    assert "X-API-Version" not in response


def test_what_the_reference_does_not_know_is_kept(api, setting):
    session = {"new": [1, 2.5, None, True, {"deep": "ü\ud800"}], "big": 10**30, "tenantId": 7}
    with ZephrStandIn("access", SECRET, {"odd": session}) as running:
        configure(setting, running.base_url)
        assert json.loads(api.get("/v3/sessions/odd").content) == session


def test_only_the_id_goes_to_zephr(api, zephr):
    assert api.get(f"{PATH}?format=xml&x=1", headers={"Accept": "text/html"}).status_code == 200
    [seen] = zephr.requests
    assert seen.path == PATH
    assert not {"x-api-key", "cookie", "x-jay-tracking"} & {name.lower() for name in seen.headers}


def test_head_is_get_without_the_body(api, zephr):
    response = api.head(PATH)
    assert (response.status_code, response.content) == (200, b"")


def test_options_needs_no_key_and_asks_nobody(zephr):
    response = Client().options(PATH)
    assert (response.status_code, response.content) == (204, b"")
    assert response["Allow"] == "GET, HEAD, OPTIONS"
    assert not zephr.requests


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_every_other_method_is_refused(api, zephr, method):
    response = api.generic(method, PATH)
    assert error_of(response) == (405, 405, "METHOD_NOT_ALLOWED")
    assert response["Allow"] == "GET, HEAD, OPTIONS"


def test_a_key_is_asked_for_then_its_scope_then_the_method(zephr, issue_key):
    response = Client().post(PATH)
    assert error_of(response) == (401, 401, "API_KEY_MISSING")
    assert response["WWW-Authenticate"]
    assert error_of(Client(headers={"X-API-Key": "x"}).post(PATH)) == (401, 401, "API_KEY_INVALID")
    tracking = Client(headers={"X-API-Key": issue_key(scopes=["tracking", "analytics"])})
    assert error_of(tracking.post(PATH)) == (403, 403, "SCOPE_REQUIRED")
    assert not zephr.requests


def test_playout_patterns_and_the_version_header_play_no_part(zephr, issue_key):
    client = Client(headers={"X-API-Key": issue_key(scopes=[Scope.ZEPHR.value], playouts=["netflix-*"])})
    assert client.get(PATH, headers={"X-API-Version": "1999-01-01"}).status_code == 200


def test_a_revoked_key_gets_nothing_not_even_from_the_cache(api, zephr):
    assert api.get(PATH).status_code == 200
    ApiKey.objects.revoke()
    assert error_of(api.get(PATH)) == (401, 401, "API_KEY_INVALID")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (".", "string_dot_segment"),
        ("..", "string_dot_segment"),
        ("%2e%2E", "string_dot_segment"),
        ("x" * 256, "string_too_long"),
        ("a%00b", "string_control_character"),
        ("a%0Ab", "string_control_character"),
        ("a%0A", "string_control_character"),
        ("a%C2%85b", "string_control_character"),
        ("%FF", "string_unicode"),
        ("%ED%A0%80", "string_unicode"),
    ],
)
def test_an_id_that_can_be_none_is_a_422_and_asks_nobody(api, zephr, path, kind):
    status, code, [problem] = error_of(api.get(f"/v3/sessions/{path}"))
    assert (status, code, problem["loc"], problem["type"]) == (422, 422, ["path", "id"], kind)
    assert not zephr.requests


@pytest.mark.parametrize("path", ["", "a/b", "a%2Fb", "..%2F..%2Fusers", "a/", "a%2F"])
def test_a_slash_matches_no_path(api, zephr, path):
    assert api.get(f"/v3/sessions/{path}").status_code == 404
    assert not zephr.requests


@pytest.mark.parametrize(
    ("path", "wire"),
    [
        ("x" * 255, "x" * 255),
        ("%252e%252e", "%252e%252e"),
        ("a%3Fb=c", "a%3Fb%3Dc"),
        ("a%23b", "a%23b"),
        ("a;b=c", "a%3Bb%3Dc"),
        ("%F0%9F%8E%AC", "%F0%9F%8E%AC"),
        ("a%5C..%5Cb", "a%5C..%5Cb"),
        ("a+b%20c", "a%2Bb%20c"),
    ],
)
def test_an_odd_id_reaches_zephr_as_one_segment(api, zephr, path, wire):
    assert error_of(api.get(f"/v3/sessions/{path}")) == (404, 404, "ZEPHR_SESSION_NOT_FOUND")
    assert [seen.path for seen in zephr.requests] == [f"/v3/sessions/{wire}"]


def test_without_the_setting_zephr_is_not_configured(api, setting):
    setting(ZEPHR={})
    assert error_of(api.get(PATH)) == (501, 501, "ZEPHR_NOT_CONFIGURED")


def test_a_key_pair_that_zephr_refuses_is_no_fault_of_the_client(api, zephr, setting):
    configure(setting, zephr.base_url, SECRET_KEY="another")
    assert error_of(api.get(PATH)) == (502, 503, "ZEPHR_CREDENTIALS_REJECTED")


def hanging(handler):
    handler.server.stand_in.stopping.wait(5)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (answering(403), (502, 503, "ZEPHR_CREDENTIALS_REJECTED")),
        (answering(404), (404, 404, "ZEPHR_SESSION_NOT_FOUND")),
        (answering(500), (502, 503, "ZEPHR_UNAVAILABLE")),
        (answering(503, Retry_After="9"), (502, 503, "ZEPHR_UNAVAILABLE")),
        (answering(302, Location="https://example.com/"), (502, 503, "ZEPHR_BAD_RESPONSE")),
        (answering(204, b""), (502, 503, "ZEPHR_BAD_RESPONSE")),
        (answering(200, b"<html>"), (502, 503, "ZEPHR_BAD_RESPONSE")),
        (answering(200, b"[]"), (502, 503, "ZEPHR_BAD_RESPONSE")),
        (answering(200, b'{"a": NaN}'), (502, 503, "ZEPHR_BAD_RESPONSE")),
        (answering(200, b'"' + b"x" * 2**20 + b'"'), (502, 503, "ZEPHR_BAD_RESPONSE")),
        (answering(418), (502, 503, "ZEPHR_BAD_RESPONSE")),
        (hanging, (504, 503, "ZEPHR_TIMEOUT")),
    ],
    ids=lambda value: str(value[2]) if isinstance(value, tuple) else "",
)
def test_each_failure_of_zephr_has_its_answer_and_tells_no_secret(api, zephr, caplog, fault, expected):
    zephr.fault = fault
    response = api.get(PATH)
    assert error_of(response) == expected
    assert "Retry-After" not in response
    assert "/v3/sessions/{id}" in caplog.text
    assert SESSION_ID not in caplog.text
    told = response.content.decode() + caplog.text
    assert SECRET not in told
    assert not re.search(r"[0-9a-f]{64}", told)


def test_a_zephr_that_is_away_is_unavailable(api, zephr):
    zephr.stop()
    assert error_of(api.get(PATH)) == (502, 503, "ZEPHR_UNAVAILABLE")


@pytest.mark.parametrize(
    ("wish", "expected"), [({"Retry_After": "17"}, 17), ({"RateLimit_Reset": "17"}, 17), ({}, 5)]
)
def test_while_zephr_throttles_the_client_learns_when_to_try_again(api, zephr, wish, expected):
    zephr.fault = answering(429, **wish)
    response = api.get(PATH)
    assert error_of(response) == (503, 503, "ZEPHR_THROTTLED")
    assert int(response["Retry-After"]) == expected


def headers_of(response):
    assert response["Cache-Control"] == "no-store"
    return response.get("Cache-Status"), response.get("Age")


def test_an_answer_says_whether_it_is_from_the_cache_and_how_old_it_is(api, zephr, settings):
    settings.CACHES = LOCAL_CACHE
    cache.clear()
    with time_machine.travel("2026-01-01T12:00:00Z", tick=False) as clock:
        assert headers_of(api.get(PATH)) == ("jay_sessions; fwd=uri-miss; stored", None)
        assert headers_of(api.get(PATH)) == ("jay_sessions; hit; ttl=30", "0")
        clock.move_to("2026-01-01T12:00:18Z")
        assert headers_of(api.head(PATH)) == ("jay_sessions; hit; ttl=12", "18")


def test_an_answer_that_is_not_kept_is_not_called_stored(api, zephr, setting):
    configure(setting, zephr.base_url, CACHE_TIMEOUT=0)
    assert headers_of(api.get(PATH)) == ("jay_sessions; fwd=uri-miss", None)


def test_an_answer_past_its_time_says_so_and_why(api, zephr, setting, settings):
    settings.CACHES = LOCAL_CACHE
    cache.clear()
    configure(setting, zephr.base_url, STALE_IF_ERROR=60, CIRCUIT_FAILURES=1, CIRCUIT_TIMEOUT=0.5)
    with time_machine.travel("2026-01-01T12:00:00Z", tick=False) as clock:
        api.get(PATH)
        clock.move_to("2026-01-01T12:00:42Z")
        zephr.fault = refusing()
        response = api.get(PATH)
        assert response.status_code == 200
        assert json.loads(response.content) == DEMO_SESSIONS[SESSION_ID]
        failed = "jay_sessions; fwd=stale; ttl=-12; detail=ZEPHR_UNAVAILABLE"
        assert headers_of(response) == (failed, "42")
        open_circuit = "jay_sessions; hit; ttl=-12; detail=ZEPHR_UNAVAILABLE"
        assert headers_of(api.get(PATH)) == (open_circuit, "42")
        zephr.fault = None
        time.sleep(0.55)
        assert headers_of(api.get(PATH)) == ("jay_sessions; fwd=stale; stored", None)


def test_who_waited_for_the_call_of_another_thread_is_told_so(api, zephr):
    zephr.fault = held = Held.session({})

    def answer_when_two_have_asked():
        until(lambda: any(waiting(process.flights) for process in gateway._processes.values()))
        held.go_on.set()

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        other = pool.submit(gateway.look_up, SESSION_ID)
        until(lambda: zephr.requests)
        pool.submit(answer_when_two_have_asked)
        assert headers_of(api.get(PATH)) == ("jay_sessions; fwd=uri-miss; collapsed", None)
        assert other.result().source is gateway.Source.MISS
    assert len(zephr.requests) == 1


def test_an_error_has_no_origin(api, zephr):
    response = api.get("/v3/sessions/nobody")
    assert not {"Age", "Cache-Status"} & set(response.headers)


def test_while_the_circuit_is_open_the_client_learns_when_to_try_again(api, zephr, setting):
    configure(setting, zephr.base_url, CIRCUIT_FAILURES=1, CIRCUIT_TIMEOUT=20)
    zephr.fault = refusing()
    assert error_of(api.get(PATH)) == (502, 503, "ZEPHR_UNAVAILABLE")
    response = api.get(PATH)
    assert error_of(response) == (503, 503, "ZEPHR_UNAVAILABLE")
    assert 19 <= int(response["Retry-After"]) <= 20
    assert sum(seen.path == PATH for seen in zephr.requests) == 1


def test_while_too_many_wait_for_zephr_the_client_learns_when_to_try_again(api, zephr, setting):
    configure(setting, zephr.base_url, MAX_WAITING=1, TIMEOUT=5)
    zephr.fault = held = Held.session({})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        other = pool.submit(gateway.look_up, "another")
        until(lambda: zephr.requests)
        response = api.get(PATH)
        assert error_of(response) == (503, 503, "ZEPHR_UNAVAILABLE")
        assert 1 <= int(response["Retry-After"]) <= 5
        held.go_on.set()
        assert other.result().source is gateway.Source.MISS
    zephr.fault = None
    assert api.get(PATH).status_code == 200
