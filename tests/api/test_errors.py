"""Every row of the contract's table of errors, their order, and that no input ends in another one."""

import contextlib
import copy
import dataclasses
import datetime
import itertools
import json
from typing import Any

import pytest
import time_machine
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import got_request_exception
from django.db import ProgrammingError, connection
from django.test import Client
from django.utils import timezone

from jay_sessions.models import ApiKey, Scope, TrackingSession

from ..conftest import EXAMPLE_TOKEN, PATH, PLAYOUT, error_of, sql_refused, store_down
from ..support.lane_requests import environ

pytestmark = pytest.mark.django_db

VERSION = "2025-09-02"


@dataclasses.dataclass
class Call:
    """A request that is answered 200, until faults change it."""

    method: str = "POST"
    path: str = PATH
    body: bytes = b'{"user_id": "user-1"}'
    content_type: str = "application/json"
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    key: dict[str, Any] | None = dataclasses.field(default_factory=lambda: {"scopes": Scope.values})
    key_text: str | None = None
    refused: list[str] = dataclasses.field(default_factory=list)

    def send(self, settings=None):
        client = Client(raise_request_exception=False)
        if self.key is not None:
            self.headers["X-API-Key"] = ApiKey.objects.issue("test", **self.key)[1]
        if self.key_text is not None:
            self.headers["X-API-Key"] = self.key_text
        with contextlib.ExitStack() as stack:
            for part in self.refused:
                stack.enter_context(sql_refused(part))
            return client.generic(
                self.method, self.path, self.body, self.content_type, headers=copy.copy(self.headers)
            )


def no_key(call):
    call.key = None


def unknown_key(call):
    call.key_text = "jay_00000000_" + "A" * 43


FAULTS = {
    "path": (lambda call: setattr(call, "path", call.path.replace("/session", "/no/such")), 404),
    "version": (lambda call: call.headers.update({"X-API-Version": "2024-01-01"}), 406),
    "no_key": (no_key, 401),
    "unknown_key": (unknown_key, 401),
    "scope": (lambda call: call.key and call.key.update(scopes=["analytics", "zephr"]), 403),
    "playout": (lambda call: call.key and call.key.update(playouts=["disney-*"]), 403),
    "method": (lambda call: setattr(call, "method", "PUT"), 405),
    "type": (lambda call: setattr(call, "content_type", "text/plain"), 415),
    "size": (lambda call: setattr(call, "body", b'{"user_id": "' + b"a" * 65_536 + b'"}'), 413),
    "user_id": (lambda call: setattr(call, "path", call.path + "?user_id=a%00b"), 422),
    "store": (lambda call: call.refused.append("INSERT INTO"), 503),
}
ANSWERS = {
    "path": (404, 404, "NOT_FOUND"),
    "version": (406, 406, "UNSUPPORTED_VERSION"),
    "no_key": (401, 401, "API_KEY_MISSING"),
    "unknown_key": (401, 401, "API_KEY_INVALID"),
    "scope": (403, 403, "SCOPE_REQUIRED"),
    "playout": (403, 403, "PLAYOUT_FORBIDDEN"),
    "method": (405, 405, "METHOD_NOT_ALLOWED"),
    "type": (415, 406, "UNSUPPORTED_MEDIA_TYPE"),
    "size": (413, 400, "BODY_TOO_LARGE"),
    "store": (503, 503, "STORE_UNAVAILABLE"),
}
HEADERS = {401: "WWW-Authenticate", 405: "Allow", 503: "Retry-After"}


def check(response, fault):
    assert response.status_code == FAULTS[fault][1], response.content
    if fault == "user_id":
        (problem,) = json.loads(response.content)["detail"]
        assert problem["loc"] == ["query", "user_id"]
    else:
        assert error_of(response) == ANSWERS[fault]
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    assert response["X-API-Version"] == VERSION
    assert "X-JAY-TRACKING" not in response
    assert not response.cookies
    if needed := HEADERS.get(response.status_code):
        assert response[needed]


def test_without_a_fault_the_answer_is_200():
    assert Call().send().status_code == 200


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_answered_as_the_table_says(fault):
    call = Call()
    FAULTS[fault][0](call)
    check(call.send(), fault)
    if fault != "store":  # PostgreSQL answers nothing more in this test's transaction.
        assert not TrackingSession.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_could_not_be_recorded_is_neither_acknowledged_nor_there():
    check(Call(refused=["INSERT INTO"]).send(), "store")
    assert not TrackingSession.objects.exists()


PAIRS = [pair for pair in itertools.combinations(FAULTS, 2) if pair != ("no_key", "unknown_key")]


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=lambda name: name)
def test_of_two_faults_the_one_that_stands_higher_in_the_table_is_answered(first, second):
    call = Call()
    FAULTS[second][0](call)
    FAULTS[first][0](call)
    check(call.send(), first)


@pytest.mark.parametrize("start", range(len(FAULTS)))
def test_of_all_faults_the_highest_is_answered(start):
    names = [name for name in list(FAULTS)[start:] if (start, name) != (2, "unknown_key")]
    names = [name for name in names if name != "unknown_key" or start == 3]
    call = Call()
    for name in reversed(names):
        FAULTS[name][0](call)
    check(call.send(), names[0])


@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD"])
@pytest.mark.parametrize("fault", ["path", "version", "no_key", "unknown_key", "scope", "playout"])
def test_the_other_verbs_answer_the_same_before_they_look_at_parameters(method, fault):
    call = Call(method=method)
    FAULTS[fault][0](call)
    response = call.send()
    if method == "HEAD":
        assert (response.status_code, response.content) == (FAULTS[fault][1], b"")
        assert response["X-API-Version"] == VERSION
    else:
        check(response, fault)


def test_a_bad_parameter_of_get_is_told_before_the_missing_session():
    response = Call("GET", f"/playouts/{'a' * 256}/tracking/session").send()
    status, code, details = error_of(response)
    assert (status, code) == (422, 422)
    assert [(p["loc"], set(p)) for p in details] == [(["path", "playout_id"], {"loc", "msg", "type"})]


def test_without_a_token_get_needs_no_store():
    call = Call("GET", refused=["jay_tracking_session"])
    assert error_of(call.send()) == (400, 1001, "TRACKING_NOT_VALID")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "CONNECT", "PROPFIND", "post ", "LINK"])
def test_a_method_that_is_not_allowed_is_told_which_are(method):
    response = Call(method).send()
    assert error_of(response) == (405, 405, "METHOD_NOT_ALLOWED")
    allowed = {name.strip() for name in response["Allow"].split(",")}
    assert allowed == {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}


@pytest.mark.parametrize(
    "path",
    [
        "/playouts/a/tracking/",
        "/playouts/a/tracking/sessio",
        "/playouts/a/tracking/session/more",
        "/playouts/a/tracking/session//",
        "/playouts/a/tracking/Session",
        "/playouts/a/tracking/session%0A",
        "/playouts/a/tracking/%00%FF%ED%A0%80",
        "/playouts/%00/tracking/nothing",
        f"/playouts/{'a' * 999}/tracking/nothing",
        "/playouts/a/tracking/session.json",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT", "OPTIONS", "BREW"])
def test_an_unknown_path_below_tracking_is_a_404_whatever_else_is_wrong(path, method):
    response = Client().generic(method, path, headers={"X-API-Version": "none"})
    assert error_of(response) == (404, 404, "NOT_FOUND")
    assert (response["Cache-Control"], response["X-API-Version"]) == ("no-store", VERSION)


@pytest.mark.parametrize(
    "path",
    [
        "/playouts//tracking/session",
        "/playouts/%2F/tracking/session",
        "/playouts/a%2Fb/tracking/session",
        "/playouts/a%2Fb/tracking/session/",
        "/playouts/a/tracking",
        "/playouts/a",
        "/playouts/tracking/session",
        "/tracking/session",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_without_a_playout_matches_nothing_and_is_not_redirected(path, method, api):
    assert api.generic(method, path).status_code == 404


@pytest.mark.parametrize("version", [VERSION, "", " ", f" {VERSION} "], ids=ascii)
def test_a_known_or_blank_version_is_served(version):
    response = Call(headers={"X-API-Version": version}).send()
    assert (response.status_code, response["X-API-Version"]) == (200, VERSION)


@pytest.mark.parametrize("version", ["2025-08-04", "2025-08-27", " 2025-08-04 "])
@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 200),
        ({"method": "GET"}, 400),
        ({"method": "DELETE"}, 200),
        ({"method": "OPTIONS"}, 204),
        ({"method": "PUT"}, 405),
        ({"key": None}, 401),
        ({"path": "/playouts/x/tracking/no/such"}, 404),
        ({"path": "/playouts/x/tracking/sessions", "method": "GET"}, 200),
    ],
    ids=str,
)
def test_an_older_version_is_the_same_and_the_answer_names_it(version, change, status):
    response = Call(headers={"X-API-Version": version}, **change).send()
    assert (response.status_code, response["X-API-Version"]) == (status, version.strip())


@pytest.mark.parametrize("version", ["1", "2025-09-01", "2025-09-2", "v2025-09-02", "2025-09-02,1", "ü", "*"])
def test_an_unknown_version_is_not_acceptable(version):
    response = Call(headers={"X-API-Version": version}).send()
    assert error_of(response) == (406, 406, "UNSUPPORTED_VERSION")
    assert response["X-API-Version"] == VERSION


@pytest.mark.parametrize(
    ("text", "details"),
    [
        ("", "API_KEY_MISSING"),
        ("  ", "API_KEY_MISSING"),
        ("x", "API_KEY_INVALID"),
        ("ü\xff", "API_KEY_INVALID"),
        ("jay_", "API_KEY_INVALID"),
        ("jay_00000000_" + "A" * 43, "API_KEY_INVALID"),
        ("a" * 8000, "API_KEY_INVALID"),
    ],
    ids=["empty", "blank", "short", "no_ascii", "beginning", "unknown", "long"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT"])
def test_without_a_key_that_is_known_nothing_is_done(text, details, method):
    response = Call(method, key=None, key_text=text).send()
    assert error_of(response) == (401, 401, details)
    assert response["WWW-Authenticate"]


def test_a_key_in_the_query_is_no_key(key):
    response = Client().post(f"{PATH}?X-API-Key={key}&api_key={key}")
    assert error_of(response) == (401, 401, "API_KEY_MISSING")


def test_a_key_with_outer_space_is_that_key(key):
    assert Client(headers={"X-API-Key": f" {key} "}).post(PATH).status_code == 200


def test_a_revoked_key_is_refused(api):
    assert api.post(PATH).status_code == 200
    ApiKey.objects.revoke()
    assert error_of(api.post(PATH)) == (401, 401, "API_KEY_INVALID")


def test_a_key_expires_exactly(issue_key):
    end = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
    api = Client(headers={"X-API-Key": issue_key(expires_at=end)})
    with time_machine.travel(end - datetime.timedelta(microseconds=1), tick=False):
        assert api.post(PATH).status_code == 200
    with time_machine.travel(end, tick=False):
        assert error_of(api.post(PATH)) == (401, 401, "API_KEY_INVALID")


@pytest.mark.parametrize(
    ("patterns", "allowed"),
    [
        (["*"], True),
        (["netflix-*"], True),
        (["zdf", "*:s01e01"], True),
        ([PLAYOUT], True),
        (["Netflix-*"], False),
        (["netflix-de"], False),
        (["netflix-de:s01e0?"], False),
        (["netflix-.*"], False),
    ],
    ids=ascii,
)
def test_a_key_may_use_the_playouts_of_its_patterns(issue_key, patterns, allowed):
    api = Client(headers={"X-API-Key": issue_key(playouts=patterns)})
    response = api.post(PATH)
    if allowed:
        assert response.status_code == 200
    else:
        assert error_of(response) == (403, 403, "PLAYOUT_FORBIDDEN")


def test_the_use_of_a_key_is_noted(api):
    before = timezone.now()
    assert api.post(PATH).status_code == 200
    assert before <= ApiKey.objects.get().last_used_at <= timezone.now()


@pytest.mark.django_db(transaction=True)
def test_a_use_that_cannot_be_noted_does_not_matter(api, key, caplog):
    with sql_refused('last_used_at" ='):
        assert api.post(PATH).status_code == 200
    assert ApiKey.objects.get().last_used_at is None
    assert key not in caplog.text


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT"])
def test_without_the_database_the_answer_is_503(api, method):
    with store_down():
        response = api.generic(method, PATH, headers={"X-JAY-TRACKING": EXAMPLE_TOKEN})
    assert error_of(response) == (503, 503, "STORE_UNAVAILABLE")
    assert int(response["Retry-After"]) > 0
    assert (response["Cache-Control"], response["X-API-Version"]) == ("no-store", VERSION)


@pytest.mark.parametrize("fault", ["path", "version", "no_key"])
def test_what_needs_no_database_is_answered_without_it(fault):
    call = Call(key=None)
    FAULTS[fault][0](call)
    with store_down():
        check(call.send(), fault)


def test_what_has_not_the_form_of_a_key_is_refused_without_the_database():
    with store_down():
        response = Call(key=None, key_text="wrong").send()
    assert error_of(response) == (401, 401, "API_KEY_INVALID")


def fail(playout_id):
    raise ZeroDivisionError("a secret of the site's")


@pytest.fixture
def reported():
    """What `got_request_exception` told error trackers."""
    requests = []

    def hear(sender, request, **kwargs):
        requests.append(request)

    got_request_exception.connect(hear)
    yield requests
    got_request_exception.disconnect(hear)


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_fault_of_ours_is_reported_and_shows_nothing(setting, settings, reported, caplog, method):
    setting(PROVIDER_RESOLVER=fail)
    settings.DEBUG = True
    call = Call(method, headers={"X-JAY-TRACKING": EXAMPLE_TOKEN})
    response = call.send()
    assert error_of(response) == (500, 503, "INTERNAL_ERROR")
    assert b"Zero" not in response.content
    assert b"secret" not in response.content
    assert (response["Cache-Control"], response["X-API-Version"]) == ("no-store", VERSION)
    assert [request.path for request in reported] == [PATH]
    assert "ZeroDivisionError" in caplog.text
    assert call.headers["X-API-Key"] not in caplog.text
    assert EXAMPLE_TOKEN not in caplog.text
    assert not TrackingSession.objects.exists()


def test_a_table_that_is_missing_is_a_fault_of_ours(reported):
    def missing(execute, sql, params, many, context):
        if "jay_tracking_session" in sql:
            raise ProgrammingError('relation "jay_tracking_session" does not exist')
        return execute(sql, params, many, context)

    with connection.execute_wrapper(missing):
        assert error_of(Call().send()) == (500, 503, "INTERNAL_ERROR")
    assert len(reported) == 1


def test_the_other_answers_are_not_reported(reported):
    for change, _ in FAULTS.values():
        call = Call()
        change(call)
        call.send()
    assert reported == []


@pytest.mark.parametrize(
    ("method", "path", "missing"),
    [
        ("POST", PATH, "tracking"),
        ("GET", f"{PATH}s", "analytics"),
        ("GET", "/playouts/x/tracking/statistics", "analytics"),
        ("GET", "/v3/sessions/x", "zephr"),
    ],
)
def test_a_403_names_the_scope_that_the_key_lacks(method, path, missing):
    others = [scope for scope in Scope.values if scope != missing]
    response = Call(method, path, key={"scopes": others}).send()
    assert error_of(response) == (403, 403, "SCOPE_REQUIRED")
    assert response.json()["error"]["message"] == f"This API key lacks the scope {missing}."


def over_wsgi(method, path, key):
    """Status, headers and body of an answer as the web server gets them: Django's client drops bodies."""
    said = []

    def start_response(status, headers, *exc):
        said.extend([status, sorted(headers)])

    asked = environ(method, path, **({"HTTP_X_API_KEY": key} if key else {}))
    body = b"".join(WSGIHandler()(asked, start_response))
    return *said, body


@pytest.mark.parametrize("path", [PATH, f"{PATH}s", "/playouts/x/tracking/no", "/v3/sessions/x"])
@pytest.mark.parametrize("with_key", [True, False])
def test_an_answer_to_head_has_no_body_whichever_the_server(key, path, with_key, connections_stay_open):
    got, head = (over_wsgi(method, path, key if with_key else None) for method in ("GET", "HEAD"))
    assert head[:2] == got[:2]
    assert (bool(got[2]), head[2]) == (True, b"")
    assert dict(head[1])["Content-Length"] == str(len(got[2]))
