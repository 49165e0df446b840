import base64
import datetime
import json
import re
import uuid
from urllib.parse import quote

import pytest
import time_machine
from django.db import connection, connections
from django.test import Client

from jay_sessions.conf.settings import IGNORED_USER_IDS
from jay_sessions.core.uuid7 import moment_of
from jay_sessions.models import ApiKey, TrackingSession
from jay_sessions.signals import session_started

from ..conftest import COOKIE, EXAMPLE_TOKEN, PATH, PLAYOUT, key_of, members_of, token_of

pytestmark = pytest.mark.django_db

NOON = datetime.datetime(2025, 9, 2, 12, 0, 0, tzinfo=datetime.UTC)


def cookie_of(response) -> dict[str, str | bool]:
    """The one cookie of an answer as a browser reads it; a flag is True."""
    (morsel,) = response.cookies.values()
    attributes = {}
    for part in morsel.OutputString().split("; "):
        name, equals, value = part.partition("=")
        attributes[name if name == COOKIE else name.lower()] = value if equals else True
    return attributes


def problems_of(response) -> list[tuple[list[str], str]]:
    """Where a 422 of POST says the problems are, and of which type."""
    assert response.status_code == 422, response.content
    body = json.loads(response.content)
    assert set(body) == {"detail"}
    assert all(set(problem) == {"loc", "msg", "type"} for problem in body["detail"])
    assert all(isinstance(problem["msg"], str) for problem in body["detail"])
    return [(problem["loc"], problem["type"]) for problem in body["detail"]]


def test_a_session_is_answered_with_everything_there_is(api):
    response = api.post(f"{PATH}?user_id=user-123456")
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    assert response["X-API-Version"] == "2025-09-02"
    body = json.loads(response.content)
    assert set(body) == {"data"}
    row = TrackingSession.objects.get()
    assert body["data"] == {
        "sessionId": str(row.session_id),
        "startTime": row.started_at.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        "source": "jay.api.playout.1.0.0",
        "userId": "user-123456",
        "providerName": "netflix",
    }


def test_what_has_no_value_is_left_out(api):
    body = json.loads(api.post("/playouts/123/tracking/session").content)
    assert set(body) == {"data"}
    assert set(body["data"]) == {"sessionId", "startTime", "source"}


@pytest.mark.parametrize("microsecond", [0, 1, 999_999])
def test_the_id_and_the_start_are_one_reading_of_the_clock_in_utc(api, settings, microsecond):
    settings.TIME_ZONE = "Asia/Kathmandu"
    moment = NOON.replace(microsecond=microsecond)
    with time_machine.travel(moment, tick=False):
        data = api.post(PATH).json()["data"]
    assert data["startTime"] == f"2025-09-02T12:00:00.{microsecond:06d}"
    session_id = uuid.UUID(data["sessionId"])
    assert (str(session_id), session_id.version) == (data["sessionId"], 7)
    assert moment_of(session_id) == moment


def test_the_session_is_stored_with_its_key_and_playout(api, key):
    api.post(f"{PATH}?user_id=user-1")
    row = TrackingSession.objects.get()
    assert (row.playout_id, row.user_id, row.provider_name) == (PLAYOUT, "user-1", "netflix")
    assert row.api_key == key_of(key)
    assert row.ended_at is None


def test_the_token_says_what_the_answer_says(api):
    response = api.post(f"{PATH}?user_id=%F0%9F%98%80")
    data = response.json()["data"]
    members = members_of(token_of(response))
    assert members.pop("signature")
    assert members == {
        "session_id": data["sessionId"],
        "start_time": data["startTime"],
        "source": data["source"],
        "user_id": data["userId"],
        "provider_name": data["providerName"],
    }
    assert data["userId"] == "😀"


def test_the_token_goes_out_as_header_and_as_cookie_that_needs_no_quotes(api):
    response = api.post(f"{PATH}?user_id={quote('>>>???~~~ÿÿÿ')}")
    assert cookie_of(response)[COOKIE] == token_of(response)
    assert re.fullmatch("[A-Za-z0-9]+", token_of(response))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({}, {"samesite": "Lax"}, id="default"),
        pytest.param({"COOKIE_SAMESITE": "Strict"}, {"samesite": "Strict"}, id="strict"),
        pytest.param({"COOKIE_SAMESITE": "None"}, {"samesite": "None"}, id="none"),
        pytest.param(
            {"COOKIE_DOMAIN": "example.com"}, {"samesite": "Lax", "domain": "example.com"}, id="domain"
        ),
        pytest.param(
            {"COOKIE_SAMESITE": "None", "COOKIE_PARTITIONED": True},
            {"samesite": "None", "partitioned": True},
            id="partitioned",
        ),
        pytest.param({"SESSION_LIFETIME": 3600}, {"samesite": "Lax", "max-age": "3600"}, id="lifetime"),
        pytest.param(
            {"SESSION_LIFETIME": datetime.timedelta(days=30)},
            {"samesite": "Lax", "max-age": "2592000"},
            id="lifetime_as_timedelta",
        ),
    ],
)
def test_the_cookie_has_the_flags_of_the_settings(api, setting, values, expected):
    setting(**values)
    response = api.post(PATH)
    cookie = cookie_of(response)
    assert cookie.pop(COOKIE) == token_of(response)
    if "max-age" in expected:
        cookie.pop("expires", None)
    assert cookie == {"path": "/", "secure": True, "httponly": True, **expected}


def test_the_cookie_has_the_name_of_the_settings(api, setting):
    setting(COOKIE_NAME="__Host-tracking")
    response = api.post(PATH)
    assert response.cookies["__Host-tracking"].value == token_of(response)
    assert list(response.cookies) == ["__Host-tracking"]


@pytest.mark.parametrize("carried", ["ours", "foreign", "garbage"])
def test_a_new_session_is_made_each_time_whatever_the_request_carries(api, carried):
    first = token_of(api.post(PATH))
    token = {"ours": first, "foreign": EXAMPLE_TOKEN, "garbage": "garbage"}[carried]
    api.cookies[COOKIE] = token
    second = token_of(api.post(PATH, headers={"X-JAY-TRACKING": token}))
    assert members_of(second)["session_id"] != members_of(first)["session_id"]
    assert TrackingSession.objects.open().count() == 2


def test_a_trailing_slash_is_no_other_path(api):
    response = api.post(f"{PATH}/?user_id=user-1")
    assert response.json()["data"]["userId"] == "user-1"
    assert TrackingSession.objects.get().playout_id == PLAYOUT


@pytest.mark.parametrize(
    ("query", "user_id"),
    [
        ("user_id=user-1", "user-1"),
        ("user%5Fid=user-1", "user-1"),
        ("user_id=a+b%2Bc", "a b+c"),
        ("user_id=%20%09user-1%0A", "user-1"),
        ("user_id=%C2%85%E3%80%80user-1%C2%A0", "user-1"),
        ("user_id=%F0%9F%98%80", "😀"),
        ("user_id=ü".encode().decode("latin-1"), "ü"),
        ("user_id=" + "a" * 255, "a" * 255),
        ("user_id=" + "%20" * 300 + "a", "a"),
        ("user_id=" + "%F0%9F%98%80" * 200, "😀" * 200),
        ("user_id=a&user_id=b", "b"),
        ("user_id=%00&user_id=b", "b"),
        ("user_id=a&user_id=", None),
        ("x=1&user_id=a=b&y", "a=b"),
        ("user_id=a;b", "a;b"),
        ("user_id=Null", "Null"),
        ("user_id=0", "0"),
        ("user_id=%EF%BF%BD", "\ufffd"),
        ("user_id=%E2%80%A8", None),
        ("USER_ID=a", None),
        ("userId=a", None),
        ("user_id", None),
        ("user_id=", None),
        ("user_id=%20%1C%C2%85", None),
        ("", None),
        ("&".join(f"p{number}=%FF" for number in range(1500)) + "&user_id=a", "a"),
        ("user_id=a&" + "&" * 3000, "a"),
        ("%FF=%FF&user_id=a&%", "a"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_a_user_id_is_taken_from_the_query(api, query, user_id):
    response = api.generic("POST", PATH, QUERY_STRING=query)
    assert response.status_code == 200, response.content
    assert response.json()["data"].get("userId") == user_id
    assert TrackingSession.objects.get().user_id == user_id


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("user_id=" + "a" * 256, "string_too_long"),
        ("user_id=" + "%F0%9F%98%80" * 256, "string_too_long"),
        ("user_id=%00", "string_control_character"),
        ("user_id=a%00b", "string_control_character"),
        ("user_id=a%0Ab", "string_control_character"),
        ("user_id=a%7F", "string_control_character"),
        ("user_id=a%C2%80", "string_control_character"),
        ("user_id=%FF", "string_unicode"),
        ("user_id=%C3", "string_unicode"),
        ("user_id=%C0%80", "string_unicode"),
        ("user_id=%ED%A0%80", "string_unicode"),
        ("user_id=%ED%A0%BD%ED%B8%80", "string_unicode"),
        ("user_id=\xff", "string_unicode"),
        ("user_id=a&user_id=%FF", "string_unicode"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_a_bad_user_id_in_the_query_is_named(api, query, kind):
    response = api.generic("POST", PATH, b'{"user_id": "good"}', "application/json", QUERY_STRING=query)
    assert problems_of(response) == [(["query", "user_id"], kind)]
    assert response["Cache-Control"] == "no-store"
    assert response["X-API-Version"] == "2025-09-02"
    assert not response.cookies
    assert not TrackingSession.objects.exists()


def test_the_query_wins_over_the_body_unless_it_is_blank(api):
    def user_of(query, body):
        response = api.generic("POST", PATH + query, json.dumps(body), "application/json")
        return response.json()["data"].get("userId")

    assert user_of("?user_id=query", {"user_id": "body"}) == "query"
    assert user_of("?user_id=", {"user_id": "body"}) == "body"
    assert user_of("?user_id=%20", {"user_id": "body"}) == "body"
    assert user_of("?user_id=query&user_id=%0A", {"user_id": "body"}) == "body"
    assert user_of("?user_id=query", {"user_id": 5}) == "query"
    assert user_of("?user_id=%20", {"user_id": None}) is None
    assert user_of("?user_id=undefined", {"user_id": "body"}) == "body"
    assert user_of("?user_id=query&user_id=undefined", {"user_id": "body"}) == "body"
    assert user_of("?user_id=query", {"user_id": "undefined"}) == "query"


@pytest.mark.parametrize("user_id", IGNORED_USER_IDS)
@pytest.mark.parametrize("form", ["query", "json", "form", "multipart"])
def test_a_user_id_that_client_code_sends_by_mistake_counts_as_absent(api, user_id, form):
    options = {
        "query": {"QUERY_STRING": f"user_id={quote(user_id)}"},
        "json": {"data": {"user_id": user_id}, "content_type": "application/json"},
        "form": {
            "data": f"user_id={quote(user_id)}",
            "content_type": "application/x-www-form-urlencoded",
        },
        "multipart": {"data": {"user_id": user_id}},
    }[form]
    response = api.post(PATH, **options)
    assert "userId" not in response.json()["data"]
    assert "user_id" not in members_of(token_of(response))
    assert TrackingSession.objects.get().user_id is None


def test_sessions_of_such_a_user_id_are_found_by_it_as_it_is_written(api, setting):
    setting(IGNORED_USER_IDS=[])
    api.post(f"{PATH}?user_id=undefined")
    setting(IGNORED_USER_IDS=IGNORED_USER_IDS)
    api.post(f"{PATH}?user_id=undefined")
    assert len(api.get(f"{PATH}s?user_id=undefined").json()["data"]) == 1


def filling(overhead: int, characters: int) -> str:
    """A user id that fills a token of `overhead` bytes of JSON up to `characters` of Base64."""
    missing = characters // 4 * 3 - overhead
    return "😀" * (missing // 12) + "a" * (missing % 12)


@pytest.mark.parametrize(
    ("name", "fits"),
    [("c" * 20, True), ("c" * 21, False), (COOKIE, False)],
    ids=["4096", "4097", "default_name"],
)
def test_a_token_is_never_too_long_for_a_cookie(api, setting, name, fits):
    # Base64 comes in steps of four: 4,076 characters of token, and a name of 20 or of 21.
    setting(COOKIE_NAME=name)
    plain = base64.b64decode(token_of(api.post(f"{PATH}?user_id=a"))).rstrip(b" ")
    user_id = filling(len(plain) - 1, 4076)
    response = api.post(f"{PATH}?user_id={quote(user_id)}")
    if fits:
        assert len(token_of(response)) == 4076
        assert response.json()["data"]["userId"] == user_id
        assert api.get(PATH, headers={"X-JAY-TRACKING": token_of(response)}).status_code == 200
    else:
        assert [loc for loc, _ in problems_of(response)] == [["query", "user_id"]]
        assert TrackingSession.objects.count() == 1


def test_a_body_whose_token_is_too_long_is_named_as_the_place(api):
    response = api.post(PATH, {"user_id": "😀" * 255}, content_type="application/json")
    assert [loc for loc, _ in problems_of(response)] == [["body", "user_id"]]


@pytest.mark.parametrize(
    ("values", "playout", "name"),
    [
        ({}, "550e8400-e29b-41d4-a716-446655440000", None),
        ({"PROVIDER_NAMES": {"nflx*": "Netflix"}}, "nflx-1", "Netflix"),
        ({"PROVIDER_NAMES": {"nflx*": None}}, "nflx-1", None),
        ({"PROVIDER_RESOLVER": "posixpath.basename"}, "nflx-1", "nflx-1"),
        ({"PROVIDER_RESOLVER": lambda playout_id: None}, "nflx-1", None),
        ({"SOURCE": "elsewhere"}, "nflx-1", "nflx"),
    ],
    ids=["uuid", "named", "unnamed", "resolved", "unresolved", "source"],
)
def test_the_site_may_say_what_provider_and_source_are(api, setting, values, playout, name):
    setting(**values)
    data = api.post(f"/playouts/{playout}/tracking/session").json()["data"]
    assert data.get("providerName") == name
    assert data["source"] == values.get("SOURCE", "jay.api.playout.1.0.0")
    assert TrackingSession.objects.get().provider_name == name


def test_no_csrf_token_is_needed(key):
    client = Client(enforce_csrf_checks=True, headers={"X-API-Key": key})
    client.cookies["csrftoken"] = "x"
    assert client.post(PATH).status_code == 200


def test_who_is_logged_in_does_not_matter(admin_client, key):
    assert admin_client.post(PATH).status_code == 401
    assert admin_client.post(PATH, headers={"X-API-Key": key}).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_what_is_written_is_committed_before_the_answer_whatever_atomic_requests_says(api, monkeypatch):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    written = []

    def watch(execute, sql, params, many, context):
        if sql.startswith("INSERT"):
            written.append((sql.split('"')[1], connection.in_atomic_block))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        assert api.post(PATH).status_code == 200
        assert api.delete(PATH).status_code == 200
    assert written == [("jay_tracking_session", False), ("jay_ended_session", False)]


@pytest.mark.django_db(transaction=True)
def test_atomic_requests_changes_no_answer(api, monkeypatch):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    token = token_of(api.post(PATH))
    assert api.get(PATH).status_code == 200
    assert api.delete(PATH).status_code == 200
    assert api.get(PATH, headers={"X-JAY-TRACKING": token}).status_code == 400
    assert api.get(f"{PATH}/nothing").status_code == 404
    assert ApiKey.objects.get().last_used_at is not None


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_raises_does_not_change_the_answer(api):
    def fail(**kwargs):
        raise ZeroDivisionError

    session_started.connect(fail)
    try:
        assert api.post(PATH).status_code == 200
    finally:
        session_started.disconnect(fail)
    assert TrackingSession.objects.count() == 1


def test_a_post_costs_at_most_two_queries_but_once_a_minute(api, django_assert_max_num_queries):
    api.post(PATH)  # notes the use of the key
    with django_assert_max_num_queries(2):
        api.post(PATH)
