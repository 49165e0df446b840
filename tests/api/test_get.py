import datetime
import json
import uuid
from urllib.parse import quote

import pytest
import time_machine
from django.test import Client

from jay_sessions import conf
from jay_sessions.core import tokens
from jay_sessions.core.uuid7 import uuid7
from jay_sessions.models import TrackingSession

from ..conftest import COOKIE, EXAMPLE_TOKEN, PATH, error_of, members_of, store_down, token_of, unsigned

pytestmark = pytest.mark.django_db

VERSION = "2025-09-02"
NOON = datetime.datetime(2025, 9, 2, 12, 0, 0, 123_456, tzinfo=datetime.UTC)
NOT_VALID = (400, 1001, "TRACKING_NOT_VALID")


def read(client, *, cookie=None, header=None, path=PATH):
    """GET with a token in the cookie, the header, or both."""
    client.cookies.clear()
    if cookie is not None:
        client.cookies[COOKIE] = cookie
    return client.get(path, headers={} if header is None else {"X-JAY-TRACKING": header})


def session_of(response):
    assert response.status_code == 200, response.content
    return response.json()["data"]["sessionId"]


@pytest.fixture
def started(api):
    """Start a session and forget its cookie; gives its token and what POST answered."""

    def start(path=PATH):
        response = api.post(path)
        api.cookies.clear()
        return token_of(response), response.json()

    return start


@pytest.mark.parametrize("carrier", ["cookie", "header"])
def test_a_session_is_read_as_it_was_answered(api, started, carrier):
    token, answer = started(f"{PATH}?user_id=user-1")
    response = read(api, **{carrier: token})
    assert (response.status_code, response.json()) == (200, answer)
    assert response["Content-Type"] == "application/json"
    assert (response["Cache-Control"], response["X-API-Version"]) == ("no-store", VERSION)
    assert not response.cookies
    assert "X-JAY-TRACKING" not in response


def test_the_cookie_that_post_sets_is_enough(api):
    answer = api.post(PATH).json()
    assert api.get(PATH).json() == answer


def test_the_cookie_comes_before_the_header(api, started):
    (first, _), (second, _) = started(), started()
    assert session_of(read(api, cookie=first, header=second)) == members_of(first)["session_id"]
    assert session_of(read(api, cookie=second, header=first)) == members_of(second)["session_id"]


@pytest.mark.parametrize(
    "bad", ["", "garbage", '""', unsigned(source=5), unsigned(signature=None)], ids=ascii
)
def test_the_first_valid_one_is_used(api, started, bad):
    token, _ = started()
    assert session_of(read(api, cookie=bad, header=token)) == members_of(token)["session_id"]
    assert session_of(read(api, cookie=token, header=bad)) == members_of(token)["session_id"]


def test_after_an_ended_session_the_header_is_asked(api, started):
    (ended, _), (other, _) = started(), started()
    api.delete(PATH, headers={"X-JAY-TRACKING": ended})
    assert session_of(read(api, cookie=ended, header=other)) == members_of(other)["session_id"]


def test_without_a_token_there_is_no_session(api):
    response = api.get(PATH)
    assert error_of(response) == NOT_VALID
    error = json.loads(response.content)["error"]
    assert error["message"] == "No tracking session found or session data is invalid"
    assert (response["Cache-Control"], response["X-API-Version"]) == ("no-store", VERSION)


@pytest.mark.parametrize("carrier", ["cookie", "header"])
@pytest.mark.parametrize(
    "token",
    [
        pytest.param("garbage", id="garbage"),
        pytest.param("ü😀".encode().decode("latin-1"), id="no_ascii"),
        pytest.param("\xff\xfe", id="latin_1"),
        pytest.param("A" * 4097, id="too_long"),
        pytest.param(unsigned(session_id=...), id="no_session_id"),
        pytest.param(unsigned(user_id="a\0"), id="nul_in_member"),
        pytest.param(unsigned(signature="A" * 43), id="wrong_signature"),
        pytest.param(unsigned(session_id=str(uuid7(NOON, 1))), id="signature_cut_off"),
        pytest.param(unsigned(session_id=uuid7(NOON, 1).hex.upper()), id="signature_cut_off_spelling"),
    ],
)
def test_what_is_no_token_is_no_session(api, carrier, token):
    assert error_of(read(api, **{carrier: token})) == NOT_VALID


def test_a_token_that_was_tampered_with_is_no_session(api, started):
    token, _ = started()
    members = {**members_of(token), "user_id": "another"}
    assert error_of(read(api, header=unsigned(**members))) == NOT_VALID


def test_a_token_signed_by_a_stranger_is_no_session(api):
    stranger = tokens.signing_key("stranger")
    token = tokens.encode(tokens.Token(str(uuid7(NOON, 1)), NOON, "here"), stranger)
    assert error_of(read(api, header=token)) == NOT_VALID


def test_a_retired_secret_still_reads(api, started, settings):
    token, answer = started()
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
    assert read(api, header=token).json() == answer


@pytest.mark.parametrize("spell", [str, '"{}"'.format, " {} ".format], ids=["plain", "quoted", "spaced"])
def test_a_token_is_read_however_a_client_writes_it(api, started, spell):
    token, answer = started()
    assert read(api, header=spell(token)).json() == answer


def test_the_token_of_the_reference_is_a_session(api):
    data = read(api, header=EXAMPLE_TOKEN).json()["data"]
    assert data == {
        "sessionId": "example-session-id-1234",
        "startTime": "2025-01-01T12:00:00.000000",
        "source": "jay.api.playout.example",
        "providerName": "netflix",
    }
    assert not TrackingSession.objects.exists()


def test_the_token_of_the_reference_is_none_where_signatures_are_required(api, setting, started):
    setting(REQUIRE_SIGNED_TOKENS=True)
    assert error_of(read(api, cookie=EXAMPLE_TOKEN, header=EXAMPLE_TOKEN)) == NOT_VALID
    token, answer = started()
    assert read(api, cookie=EXAMPLE_TOKEN, header=token).json() == answer


def test_a_start_is_told_in_utc_with_six_digits(api):
    token = unsigned(start_time="2025-01-01T13:00:00+01:00")
    assert read(api, header=token).json()["data"]["startTime"] == "2025-01-01T12:00:00.000000"


@pytest.mark.parametrize(
    ("token", "path", "name"),
    [
        (unsigned(provider_name="disney"), PATH, "disney"),
        (unsigned(), PATH, "netflix"),
        (unsigned(provider_name=None), PATH, "netflix"),
        (unsigned(provider_name="disney"), "/playouts/123/tracking/session", "disney"),
        (unsigned(), "/playouts/123/tracking/session", None),
    ],
    ids=["token", "path", "null_in_token", "token_without_path", "neither"],
)
def test_the_provider_comes_from_the_token_else_from_the_path(api, token, path, name):
    assert read(api, header=token, path=path).json()["data"].get("providerName") == name


def test_the_path_is_not_asked_for_a_provider_that_the_token_names(api, setting):
    asked = []
    setting(PROVIDER_RESOLVER=asked.append)
    assert read(api, header=unsigned(provider_name="disney")).json()["data"]["providerName"] == "disney"
    assert asked == []


def test_a_session_may_be_read_under_another_playout(api, started, issue_key):
    token, answer = started()
    other = Client(headers={"X-API-Key": issue_key(playouts=["disney-*"])})
    response = read(other, header=token, path="/playouts/disney-de:1/tracking/session")
    assert response.json() == answer


def test_a_session_whose_row_was_purged_is_valid(api, started):
    token, answer = started()
    TrackingSession.objects.all().drop()
    assert read(api, header=token).json() == answer


@pytest.mark.parametrize("carrier", ["cookie", "header"])
def test_an_ended_session_is_not_valid(api, started, carrier):
    token, _ = started()
    api.delete(PATH, headers={"X-JAY-TRACKING": token})
    assert error_of(read(api, **{carrier: token})) == NOT_VALID


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
def test_a_session_older_than_the_lifetime_is_not_valid(api, setting, signed):
    setting(SESSION_LIFETIME=60)
    token = unsigned(start_time="2025-09-02T12:00:00.123456")
    if signed:
        ours = tokens.Token(str(uuid7(NOON, 1)), NOON, "here")
        token = tokens.encode(ours, conf.get().signing_keys[0])
    end, moment = NOON + datetime.timedelta(seconds=60), datetime.timedelta(microseconds=1)
    with time_machine.travel(end - moment, tick=False):
        assert read(api, header=token).status_code == 200
    with time_machine.travel(end + moment, tick=False):
        assert error_of(read(api, header=token)) == NOT_VALID


def test_only_a_token_of_ours_costs_a_query_beside_the_key(api, started, django_assert_max_num_queries):
    token, _ = started()
    with django_assert_max_num_queries(2):
        read(api, header=token)
    with django_assert_max_num_queries(1):
        read(api, header=EXAMPLE_TOKEN)


@pytest.mark.parametrize("path", [PATH, f"{PATH}/", "/playouts/%00/tracking/session", f"{PATH}/no"])
@pytest.mark.parametrize("token", [EXAMPLE_TOKEN, "garbage"], ids=["token", "garbage"])
def test_head_is_get_without_the_body(api, path, token):
    get = api.get(path, headers={"X-JAY-TRACKING": token})
    head = api.head(path, headers={"X-JAY-TRACKING": token})
    assert get.content
    assert head.content == b""
    assert head.status_code == get.status_code
    assert dict(head.items()) == dict(get.items())


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{", "application/json"),
        (b'{"user_id": 5}', "application/json"),
        (b"x" * 70_000, "text/plain"),
        (b"\xff", "multipart/form-data"),
    ],
    ids=["malformed", "bad_user_id", "large", "no_form"],
)
def test_a_body_is_ignored(api, method, body, content_type):
    response = api.generic(method, PATH, body, content_type, headers={"X-JAY-TRACKING": EXAMPLE_TOKEN})
    assert response.status_code == 200


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_query_is_ignored(api, method):
    query = "user_id=%00&user_id=" + "a" * 300 + "&x" * 1500 + "&format=xml"
    response = api.generic(
        method, PATH, QUERY_STRING=query, headers={"X-JAY-TRACKING": unsigned(user_id="user-1")}
    )
    assert response.status_code == 200


@pytest.mark.parametrize(
    "accept", ["text/html", "application/xml;q=1, */*;q=0", "application/json; indent=4", "?"]
)
@pytest.mark.parametrize("query", ["", "?format=xml", "?format=api", "?format=json&indent=4"])
@pytest.mark.parametrize("token", [EXAMPLE_TOKEN, "garbage"], ids=["token", "garbage"])
def test_the_answer_is_the_same_whatever_form_is_asked_for(api, accept, query, token):
    plain = api.get(PATH, headers={"X-JAY-TRACKING": token})
    response = api.get(PATH + query, headers={"X-JAY-TRACKING": token, "Accept": accept})
    assert response["Content-Type"] == "application/json"
    assert (response.status_code, response.content) == (plain.status_code, plain.content)


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"], ids=["plain", "slash"])
@pytest.mark.parametrize(
    "headers", [{}, {"X-API-Key": "wrong"}, {"X-API-Version": VERSION}], ids=["no_key", "bad_key", "version"]
)
def test_options_needs_neither_key_nor_store_and_has_no_body(path, headers):
    with store_down():
        response = Client().options(path, headers=headers)
    assert (response.status_code, response.content) == (204, b"")
    assert "Content-Type" not in response
    allowed = {name.strip() for name in response["Allow"].split(",")}
    assert allowed == {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}
    assert (response["Cache-Control"], response["X-API-Version"]) == ("no-store", VERSION)


def test_options_of_an_unknown_version_is_not_acceptable():
    response = Client().options(PATH, headers={"X-API-Version": "1"})
    assert error_of(response) == (406, 406, "UNSUPPORTED_VERSION")


@pytest.mark.parametrize("method", ["POST", "GET", "HEAD", "DELETE"])
@pytest.mark.parametrize(
    "playout",
    [
        "a",
        "a" * 255,
        "😀" * 255,
        "ü",
        "ÿ",
        "Ā",
        " ",
        "a b",
        "%",
        "%41",
        "%FF",
        "a?b",
        "a#b",
        "\xa0",
        "\ufeff",
        ".",
    ],
    ids=lambda playout: ascii(playout)[:12],
)
def test_every_playout_that_can_be_is_accepted_by_every_verb(api, playout, method):
    path = f"/playouts/{quote(playout, safe='')}/tracking/session"
    response = api.generic(method, path, headers={"X-JAY-TRACKING": EXAMPLE_TOKEN})
    assert response.status_code == 200, response.content
    if method == "POST":
        assert TrackingSession.objects.get().playout_id == playout
        assert uuid.UUID(response.json()["data"]["sessionId"]).version == 7


@pytest.mark.parametrize("method", ["POST", "GET", "HEAD", "DELETE"])
@pytest.mark.parametrize(
    "quoted",
    [
        *("a" * 256, "%F0%9F%98%80" * 256, "%00", "a%0Ab", "a%0A", "%7F", "%C2%80", "%C2%9F"),
        *("%FF", "a%C3", "%C0%80", "%ED%A0%80", "%ED%A0%BD%ED%B8%80"),
    ],
    ids=lambda quoted: quoted[:20],
)
def test_a_playout_that_cannot_be_is_refused_by_every_verb(api, quoted, method):
    path = f"/playouts/{quoted}/tracking/session"
    response = api.generic(method, path, headers={"X-JAY-TRACKING": EXAMPLE_TOKEN})
    assert response.status_code == 422, response.content
    assert (response["Cache-Control"], response["X-API-Version"]) == ("no-store", VERSION)
    if method == "POST":
        problems = json.loads(response.content)["detail"]
        assert set(json.loads(response.content)) == {"detail"}
    elif method != "HEAD":
        status, code, problems = error_of(response)
        assert (status, code) == (422, 422)
    if method != "HEAD":
        assert [set(problem) for problem in problems] == [{"loc", "msg", "type"}]
        assert problems[0]["loc"] == ["path", "playout_id"]
    assert not TrackingSession.objects.exists()
    assert not response.cookies


@pytest.mark.parametrize("cookies", ["{name}=nonsense; {name}={token}", '{name}={token};{name}="x"; a=b'])
def test_of_two_cookies_with_the_name_the_valid_one_is_used(api, cookies):
    token = token_of(api.post(PATH))
    api.cookies.clear()
    assert api.get(PATH, HTTP_COOKIE=cookies.format(name=COOKIE, token=token)).status_code == 200


def test_each_of_two_cookies_with_the_name_is_ended(api):
    tokens = [token_of(api.post(PATH)) for _ in range(2)]
    api.cookies.clear()
    assert api.delete(PATH, HTTP_COOKIE="; ".join(f"{COOKIE}={token}" for token in tokens)).status_code == 200
    assert TrackingSession.objects.ended().count() == 2
