"""`GET /playouts/{playout_id}/tracking/sessions`, the listing, sentence by sentence of the contract."""

import datetime
import itertools
from urllib.parse import quote, urlencode

import pytest
import time_machine
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from jay_sessions.core.uuid7 import uuid7
from jay_sessions.models import ApiKey, Scope, TrackingSession

from ..conftest import PLAYOUT, error_of, store_down, token_of
from ..support.ends import end

pytestmark = pytest.mark.django_db

LIST = f"/playouts/{PLAYOUT}/tracking/sessions"
NOON = datetime.datetime(2025, 9, 2, 12, 0, 0, 123_456, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)


def store(count=1, moment=NOON, first=0, ended_at=None, **fields):
    """Store sessions of one moment; gives their ids, newest first."""
    fields = {"playout_id": PLAYOUT, "source": "here", **fields}
    rows = [
        TrackingSession(session_id=uuid7(moment, number), started_at=moment, **fields)
        for number in range(first, first + count)
    ]
    TrackingSession.objects.bulk_create(rows)
    end(ended_at, *rows)
    return [str(row.session_id) for row in reversed(rows)]


def listed(api, path=LIST, **parameters):
    """The body of an answer that must be a page."""
    response = api.get(f"{path}?{urlencode(parameters)}")
    assert response.status_code == 200, response.content
    assert (response["Cache-Control"], response["X-API-Version"]) == ("no-store", "2025-09-02")
    body = response.json()
    assert set(body) <= {"data", "nextToken"}
    return body


def ids(api, **parameters):
    return [row["sessionId"] for row in listed(api, **parameters)["data"]]


def pages(api, **parameters):
    """All pages: their ids, each page a list."""
    body = listed(api, **parameters)
    yield [row["sessionId"] for row in body["data"]]
    while "nextToken" in body:
        body = listed(api, **parameters, next_token=body["nextToken"])
        yield [row["sessionId"] for row in body["data"]]


def problem_of(response):
    """The one problem of a 422: where, what and the rest of it."""
    status, code, [problem] = error_of(response)
    assert (status, code) == (422, 422)
    assert set(problem) == {"loc", "msg", "type"}
    return problem["loc"], problem["type"]


def test_a_row_is_what_post_answered_with_its_playout(api):
    answer = api.post(f"/playouts/{PLAYOUT}/tracking/session?user_id=user-1").json()["data"]
    assert listed(api) == {"data": [{**answer, "playoutId": PLAYOUT}]}


def test_what_has_no_value_is_left_out(api):
    [session_id] = store()
    assert listed(api)["data"] == [
        {
            "sessionId": session_id,
            "startTime": "2025-09-02T12:00:00.123456",
            "source": "here",
            "playoutId": PLAYOUT,
        }
    ]


def test_an_ended_session_says_when(api):
    store(ended_at=NOON.replace(microsecond=0))
    assert listed(api)["data"][0]["endedAt"] == "2025-09-02T12:00:00.000000"


def test_an_empty_list_stays(api):
    assert listed(api) == {"data": []}


def test_the_newest_stands_first(api):
    older = store(2, NOON - HOUR)
    newer = store(2)
    assert ids(api) == newer + older


@pytest.mark.parametrize("path", [LIST, f"{LIST}/"], ids=["plain", "slash"])
def test_there_are_a_hundred_unless_the_client_says_otherwise(api, path):
    store(101)
    body = listed(api, path)
    assert len(body["data"]) == 100
    assert "nextToken" in body


def test_a_page_that_is_just_full_is_the_last(api):
    store(3)
    assert [len(page) for page in pages(api, limit=3)] == [3]
    assert [len(page) for page in pages(api, limit=2)] == [2, 1]


def test_a_thousand_fit_on_a_page(api):
    store(1001)
    assert [len(page) for page in pages(api, limit=1000)] == [1000, 1]


def test_each_session_stands_on_one_page_while_new_ones_arrive(api):
    there, seen = store(10), []
    for number, page in enumerate(pages(api, limit=3)):
        seen += page
        store(2, NOON + HOUR, first=10 * number)
    assert seen == there


def test_only_this_playout_is_listed(api):
    store(playout_id="netflix-de:other")
    assert ids(api) == []


@pytest.mark.parametrize("user_id", ["user-1", "Zoë & co = 100 %", "💡", "x" * 255], ids=ascii)
def test_sessions_of_a_user(api, user_id):
    store(user_id="user-2")
    found = store(first=1, user_id=user_id)
    assert ids(api, user_id=user_id) == found
    assert ids(api, user_id=f" {user_id} ") == found


def test_sessions_of_a_provider(api):
    found = store(provider_name="netflix")
    store(first=1, provider_name="disney")
    assert ids(api, provider="netflix") == found
    assert ids(api, provider="Netflix") == []


def test_active_is_what_was_not_ended(api):
    [ended], [open_] = store(ended_at=NOON), store(first=1)
    assert ids(api, active="true") == [open_]
    assert ids(api, active="false") == [ended]


def test_active_is_not_what_is_past_its_lifetime(api, setting):
    setting(SESSION_LIFETIME=3600)
    [expired], [lasting] = (
        store(moment=NOON - HOUR),
        store(moment=NOON - HOUR + datetime.timedelta.resolution),
    )
    [ended] = store(ended_at=NOON)
    with time_machine.travel(NOON, tick=False):
        assert ids(api, active="true") == [lasting]
        assert ids(api, active="false") == [ended, expired]


def test_the_beginning_is_inclusive_and_the_end_is_not(api):
    [before], [at], [after] = store(moment=NOON - HOUR), store(), store(moment=NOON + HOUR)
    assert ids(api, started_after=NOON.isoformat()) == [after, at]
    assert ids(api, started_before=NOON.isoformat()) == [before]


@pytest.mark.parametrize(
    "text",
    ["2025-09-02T12:00:00.123456", "2025-09-02T12:00:00.123456Z", "2025-09-02T14:00:00.123456+02:00"],
)
def test_times_are_iso_8601_and_utc_where_they_say_nothing_else(api, text):
    found = store()
    assert ids(api, started_after=text) == found
    assert ids(api, started_before=text) == []


def test_a_date_is_its_midnight(api):
    found = store()
    assert ids(api, started_after="2025-09-02", started_before="2025-09-03") == found


def test_all_filters_hold_together(api):
    fields = {"user_id": "a", "provider_name": "netflix"}
    found = store(**fields)
    for number, other in enumerate([{"user_id": "b"}, {"provider_name": "x"}, {"ended_at": NOON}], start=1):
        store(first=number, **{**fields, **other})
    store(moment=NOON - HOUR, **fields)
    given_ = {"user_id": "a", "provider": "netflix", "active": "true", "started_after": NOON.isoformat()}
    assert ids(api, **given_) == found


def test_what_is_blank_counts_as_absent_and_of_what_is_repeated_the_last(api):
    found = store(user_id="a")
    assert ids(api, user_id=" ", provider="", active="", started_after="", limit="", next_token="") == found
    assert api.get(f"{LIST}?user_id=b&user_id=a&limit=x&limit=1").json()["data"][0]["sessionId"] == found[0]


BAD = [
    ("limit", "0", "int_range"),
    ("limit", "1001", "int_range"),
    ("limit", "-1", "int_range"),
    ("limit", "1.0", "int_range"),
    ("limit", "٣", "int_range"),
    ("limit", "9" * 200, "int_range"),
    ("active", "yes", "enum"),
    ("active", "True", "enum"),
    ("user_id", "x" * 256, "string_too_long"),
    ("user_id", "a\x00b", "string_control_character"),
    ("provider", "a\nb", "string_control_character"),
    ("started_after", "yesterday", "datetime_parsing"),
    ("started_after", "2025-13-01", "datetime_parsing"),
    ("started_after", "2025-09-02T12:00:00 02:00", "datetime_parsing"),
    ("started_before", "0001-01-01T00:00:00+14:00", "datetime_range"),
    ("started_before", "9999-12-31T23:59:59-14:00", "datetime_range"),
    ("next_token", "x", "next_token"),
    ("next_token", "é", "next_token"),
    ("next_token", "." * 255, "next_token"),
]


@pytest.mark.parametrize(("name", "value", "kind"), BAD, ids=ascii)
def test_a_bad_parameter_is_named(api, name, value, kind):
    assert problem_of(api.get(f"{LIST}?{urlencode({name: value})}")) == (["query", name], kind)


@pytest.mark.parametrize("name", ["user_id", "provider", "active", "started_after", "limit", "next_token"])
def test_what_is_no_utf_8_is_refused(api, name):
    assert problem_of(api.get(f"{LIST}?{name}=%FF")) == (["query", name], "string_unicode")


def test_all_that_is_wrong_is_named_at_once(api):
    _, _, problems = error_of(api.get(f"{LIST}?limit=0&active=x&user_id=%00"))
    assert [problem["loc"] for problem in problems] == [
        ["query", "user_id"],
        ["query", "active"],
        ["query", "limit"],
    ]


@pytest.fixture
def token(api):
    """The nextToken after the first of three sessions."""
    store(3, user_id="a", provider_name="netflix")
    return listed(api, limit=1)["nextToken"]


def test_the_limit_may_change_from_page_to_page(api, token):
    assert len(ids(api, next_token=token, limit=2)) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"user_id": "a"},
        {"provider": "netflix"},
        {"active": "true"},
        {"active": "false"},
        {"started_after": "2025-01-01"},
        {"started_before": "2026-01-01"},
    ],
    ids=str,
)
def test_a_token_is_good_for_its_own_filters_alone(api, token, changed):
    response = api.get(f"{LIST}?{urlencode({'next_token': token, **changed})}")
    assert problem_of(response) == (["query", "next_token"], "next_token")


def test_a_filter_that_says_the_same_in_other_words_is_the_same(api):
    store(2)
    token = listed(api, limit=1, started_after="2025-09-02T00:00:00Z")["nextToken"]
    assert len(ids(api, next_token=token, started_after="2025-09-02T02:00+02:00")) == 1


def test_a_token_is_good_for_its_own_playout_alone(api, token):
    other = "/playouts/netflix-de:other/tracking/sessions"
    assert problem_of(api.get(f"{other}?next_token={token}")) == (["query", "next_token"], "next_token")


def test_a_token_is_good_for_its_own_key_alone(token, issue_key):
    client = Client(headers={"X-API-Key": issue_key(scopes=Scope.values)})
    assert problem_of(client.get(f"{LIST}?next_token={token}")) == (["query", "next_token"], "next_token")


def test_a_token_holds_through_a_rotation_of_the_secret_key(api, token, settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another one, which is long enough for what it is used for here"
    assert len(ids(api, next_token=token)) == 2
    settings.SECRET_KEY_FALLBACKS = []
    assert problem_of(api.get(f"{LIST}?next_token={token}"))[1] == "next_token"


@settings(max_examples=200)
@given(data=st.data())
def test_a_token_that_was_tampered_with_is_refused(data):
    TrackingSession.objects.all().delete()
    ApiKey.objects.all().delete()
    api = Client(headers={"X-API-Key": ApiKey.objects.issue("test", scopes=Scope.values)[1]})
    store(2)
    token = listed(api, limit=1)["nextToken"]
    at = data.draw(st.integers(0, len(token) - 1))
    changed = token[:at] + data.draw(st.text(max_size=2)) + token[at + data.draw(st.integers(0, 2)) :]
    if changed.strip() in ("", token):
        return
    response = api.get(f"{LIST}?next_token={quote(changed)}")
    assert problem_of(response)[0] == ["query", "next_token"]


@pytest.mark.parametrize("scopes", [["tracking"], ["zephr"], ["tracking", "zephr"]], ids=str)
def test_the_key_needs_the_scope_analytics(issue_key, scopes):
    client = Client(headers={"X-API-Key": issue_key(scopes=scopes)})
    assert error_of(client.get(LIST)) == (403, 403, "SCOPE_REQUIRED")


def test_the_scope_analytics_is_enough(issue_key):
    client = Client(headers={"X-API-Key": issue_key(scopes=["analytics"])})
    assert client.get(LIST).status_code == 200
    assert error_of(client.post(LIST.removesuffix("s"))) == (403, 403, "SCOPE_REQUIRED")


def test_a_key_limited_to_some_playouts_sees_what_belongs_there_and_nothing_else(issue_key):
    store()
    store(first=1, playout_id="disney-de:1")
    client = Client(headers={"X-API-Key": issue_key(scopes=["analytics"], playouts=["netflix-*"])})
    assert len(client.get(LIST).json()["data"]) == 1
    response = client.get("/playouts/disney-de:1/tracking/sessions")
    assert error_of(response) == (403, 403, "PLAYOUT_FORBIDDEN")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_it_is_there_to_be_read(api, method):
    response = api.generic(method, LIST)
    assert error_of(response) == (405, 405, "METHOD_NOT_ALLOWED")
    assert response["Allow"] == "GET, HEAD, OPTIONS"


def test_head_is_get_without_the_body(api):
    response = api.head(LIST)
    assert (response.status_code, response.content) == (200, b"")


def test_options_needs_no_key():
    response = Client().options(LIST)
    assert (response.status_code, response.content, response["Allow"]) == (204, b"", "GET, HEAD, OPTIONS")


def test_a_database_that_is_away_is_a_503(api):
    api.get(LIST)
    with store_down():
        response = api.get(LIST)
    assert error_of(response) == (503, 503, "STORE_UNAVAILABLE")
    assert response["Retry-After"]


def test_a_page_takes_one_query(api, django_assert_num_queries):
    store(3)
    api.get(LIST)
    with django_assert_num_queries(1):
        listed(api, limit=2, user_id="a", active="true")


@settings(max_examples=40)
@given(
    limit=st.integers(1, 7),
    users=st.lists(st.sampled_from(["a", "b", None]), max_size=15),
    wanted=st.sampled_from(["a", None]),
)
def test_the_pages_together_are_the_list(limit, users, wanted):
    TrackingSession.objects.all().delete()
    ApiKey.objects.all().delete()
    api = Client(headers={"X-API-Key": ApiKey.objects.issue("test", scopes=Scope.values)[1]})
    there = [(store(first=number, user_id=user)[0], user) for number, user in enumerate(users)]
    parameters = {"limit": limit} | ({"user_id": wanted} if wanted else {})
    expected = [session_id for session_id, user in reversed(there) if wanted in (None, user)]
    assert list(itertools.chain(*pages(api, **parameters))) == expected


def test_a_session_that_was_started_over_the_api_can_be_found_ended(api):
    api.post(f"/playouts/{PLAYOUT}/tracking/session")
    token_of(api.post(f"/playouts/{PLAYOUT}/tracking/session"))
    api.delete(f"/playouts/{PLAYOUT}/tracking/session")
    assert len(ids(api, active="false")) == len(ids(api, active="true")) == 1
