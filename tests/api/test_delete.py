import datetime
import uuid

import pytest
import time_machine
from django.test import Client

from jay_sessions.core.uuid7 import uuid7
from jay_sessions.models import EndedSession, Reason, TrackingSession
from jay_sessions.signals import session_ended

from ..conftest import COOKIE, EXAMPLE_TOKEN, PATH, error_of, members_of, sql_refused, token_of, unsigned
from .test_post import cookie_of

pytestmark = pytest.mark.django_db

NOON = datetime.datetime(2025, 9, 2, 12, 0, 0, 123_456, tzinfo=datetime.UTC)
OTHER = "/playouts/disney-de:1/tracking/session"


def start(api, path=PATH):
    """Start a session and forget its cookie; gives its token."""
    token = token_of(api.post(path))
    api.cookies.clear()
    return token


def delete(client, *, cookie=None, header=None, path=PATH):
    client.cookies.clear()
    if cookie is not None:
        client.cookies[COOKIE] = cookie
    return client.delete(path, headers={} if header is None else {"X-JAY-TRACKING": header})


def row_of(token):
    return TrackingSession.objects.get(session_id=members_of(token)["session_id"])


ENDED, NONE_ENDED = "The tracking session has ended.", "No tracking session was ended."


def assert_deleted(response, message=ENDED):
    """That the answer is what a DELETE is answered, with this message."""
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "application/json"
    assert (response["Cache-Control"], response["X-API-Version"]) == ("no-store", "2025-09-02")
    assert "X-JAY-TRACKING" not in response
    body = response.json()
    assert body == {"data": {"message": message}}
    cookie = cookie_of(response)
    assert cookie.pop(COOKIE) in ("", '""')
    assert cookie.pop("expires", None) is not False
    assert cookie["max-age"] == "0"


@pytest.mark.parametrize("carrier", ["cookie", "header"])
@pytest.mark.parametrize("path", [PATH, f"{PATH}/"], ids=["plain", "slash"])
def test_a_session_ends(api, carrier, path):
    token = start(api)
    with time_machine.travel(NOON, tick=False):
        assert_deleted(delete(api, **{carrier: token}, path=path))
    assert row_of(token).ended_at == NOON


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({}, id="default"),
        pytest.param({"COOKIE_SAMESITE": "None"}, id="same_site"),
        pytest.param({"COOKIE_SAMESITE": "None", "COOKIE_PARTITIONED": True}, id="partitioned"),
        pytest.param({"COOKIE_DOMAIN": "example.com"}, id="domain"),
        pytest.param({"SESSION_LIFETIME": 3600}, id="lifetime"),
    ],
)
def test_the_cookie_is_deleted_with_the_flags_it_was_set_with(api, setting, values):
    setting(**values)
    was, now = cookie_of(api.post(PATH)), cookie_of(api.delete(PATH))
    assert now[COOKIE] in ("", '""')
    assert now["max-age"] == "0"
    for changed in (COOKIE, "max-age", "expires"):
        was.pop(changed, None)
        now.pop(changed, None)
    assert now == was


def test_the_cookie_is_deleted_under_its_own_name(api, setting):
    setting(COOKIE_NAME="__Host-tracking")
    assert list(api.delete(PATH).cookies) == ["__Host-tracking"]


@pytest.mark.parametrize(
    "carried",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"cookie": "garbage", "header": "garbage"}, id="garbage"),
        pytest.param({"header": EXAMPLE_TOKEN}, id="unsigned"),
        pytest.param({"header": unsigned(session_id=str(uuid7(NOON, 1)))}, id="signature_cut_off"),
    ],
)
def test_without_a_token_of_ours_no_session_is_said_to_have_ended(api, carried):
    delete(api, header=start(api))
    assert_deleted(delete(api, **carried), NONE_ENDED)


def test_without_a_token_no_session_is_touched(api, django_assert_max_num_queries):
    token = start(api)
    with django_assert_max_num_queries(1):  # The key.
        delete(api, header=EXAMPLE_TOKEN)
    assert row_of(token).ended_at is None


def test_both_tokens_that_a_request_carries_are_ended(api):
    first, second, other = start(api), start(api), start(api)
    assert_deleted(delete(api, cookie=first, header=second))
    assert row_of(first).ended_at is not None
    assert row_of(second).ended_at is not None
    assert row_of(other).ended_at is None


@pytest.mark.parametrize("bad", ["garbage", EXAMPLE_TOKEN], ids=["garbage", "unsigned"])
def test_a_bad_token_does_not_keep_the_other_from_being_ended(api, bad):
    first, second = start(api), start(api)
    delete(api, cookie=bad, header=first)
    delete(api, cookie=second, header=bad)
    assert TrackingSession.objects.open().count() == 0


def test_a_session_ends_once(api):
    token = start(api)
    with time_machine.travel(NOON, tick=False):
        delete(api, cookie=token, header=token)
    with time_machine.travel(NOON + datetime.timedelta(hours=1), tick=False):
        assert_deleted(delete(api, header=token))
    assert row_of(token).ended_at == NOON


@pytest.mark.django_db(transaction=True)
def test_the_end_is_announced_once(api):
    token, heard = start(api), []

    def hear(sender, session, **kwargs):
        heard.append(str(session.session_id))

    session_ended.connect(hear)
    try:
        delete(api, cookie=token, header=token)
        delete(api, header=token)
    finally:
        session_ended.disconnect(hear)
    assert heard == [members_of(token)["session_id"]]


def test_a_key_ends_only_sessions_of_the_playouts_it_may_use(api, issue_key):
    netflix, disney = start(api), start(api, OTHER)
    client = Client(headers={"X-API-Key": issue_key(playouts=["disney-*"])})
    assert_deleted(delete(client, cookie=netflix, header=disney, path=OTHER))
    assert row_of(netflix).ended_at is None
    assert row_of(disney).ended_at is not None
    assert delete(client, header=disney).status_code == 403


def test_where_a_key_may_end_no_session_none_is_said_to_have_ended(api, issue_key):
    netflix, ended = start(api), start(api)
    assert_deleted(delete(api, header=ended))
    client = Client(headers={"X-API-Key": issue_key(playouts=["disney-*"])})
    assert_deleted(delete(client, cookie=netflix, header=ended, path=OTHER), NONE_ENDED)
    assert row_of(netflix).ended_at is None


@pytest.mark.parametrize("first", [True, False])
def test_one_session_that_has_ended_is_enough(api, first):
    tokens = [start(api), EXAMPLE_TOKEN]
    cookie, header = tokens if first else reversed(tokens)
    assert_deleted(delete(api, cookie=cookie, header=header))


def test_a_token_of_another_site_with_the_same_secret_ends_no_other_session(api):
    token = start(api)
    TrackingSession.objects.all().drop()
    open_here = start(api)
    assert_deleted(delete(api, header=token))
    assert row_of(open_here).ended_at is None


def test_a_session_may_be_ended_under_another_playout(api):
    token = start(api)
    assert_deleted(delete(api, header=token, path=OTHER))
    assert row_of(token).ended_at is not None


@pytest.mark.parametrize("had_ended", [True, False])
def test_a_session_past_its_lifetime_is_not_ended_any_more(api, setting, had_ended):
    setting(SESSION_LIFETIME=60)
    with time_machine.travel(NOON, tick=False):
        token = start(api)
        if had_ended:
            delete(api, header=token)
    assert_deleted(delete(api, header=token), ENDED if had_ended else NONE_ENDED)
    assert EndedSession.objects.exists() is had_ended


def test_a_token_of_a_retired_secret_ends_its_session(api, settings):
    token = start(api)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
    delete(api, header=token)
    assert row_of(token).ended_at is not None


def test_a_token_of_a_forgotten_secret_ends_nothing(api, settings):
    token = start(api)
    settings.SECRET_KEY = "another"
    assert_deleted(delete(api, header=token), NONE_ENDED)
    assert row_of(token).ended_at is None


@pytest.mark.parametrize(
    "value", [uuid7(NOON, 1), uuid.UUID(int=uuid7(NOON, 1).int, version=4)], ids=["version_7", "version_4"]
)
@pytest.mark.parametrize("required", [True, False], ids=["required", "not_required"])
def test_an_unsigned_token_never_changes_a_row(api, setting, value, required):
    setting(REQUIRE_SIGNED_TOKENS=required)
    TrackingSession.objects.create(session_id=value, playout_id="a", source="here", started_at=NOON)
    for spelling in (str(value), value.hex, value.urn, str(value).upper()):
        assert_deleted(
            delete(api, cookie=unsigned(session_id=spelling), header=unsigned(session_id=spelling)),
            NONE_ENDED,
        )
    assert TrackingSession.objects.open().count() == 1


def test_a_tampered_token_ends_nothing(api):
    mine, other = start(api), start(api)
    forged = unsigned(**{**members_of(mine), "session_id": members_of(other)["session_id"]})
    assert_deleted(delete(api, header=forged), NONE_ENDED)
    assert TrackingSession.objects.open().count() == 2


def valid(api, token):
    return api.get(PATH, headers={"X-JAY-TRACKING": token}).status_code == 200


def test_a_session_whose_row_was_purged_is_ended_by_a_key_for_all_playouts_alone(api, issue_key):
    token = start(api)
    TrackingSession.objects.all().drop()
    for playouts in (["netflix-*"], ["netflix-*", "disney-*"]):
        limited = Client(headers={"X-API-Key": issue_key(playouts=playouts)})
        assert_deleted(delete(limited, header=token), NONE_ENDED)
        assert valid(api, token)
    everywhere = Client(headers={"X-API-Key": issue_key(playouts=["disney-*", "*"])})
    for _ in range(2):
        assert_deleted(delete(everywhere, header=token))
        assert not valid(api, token)
    assert not TrackingSession.objects.exists()


@pytest.mark.parametrize(
    "delete_it",
    [lambda row: row.delete(), lambda row: TrackingSession.objects.filter(pk=row.pk).delete()],
    ids=["row", "queryset"],
)
@pytest.mark.parametrize("lifetime", [None, 3600])
@pytest.mark.parametrize("had_ended", [True, False])
def test_a_deleted_session_has_ended(api, setting, delete_it, lifetime, had_ended):
    setting(SESSION_LIFETIME=lifetime)
    token = start(api)
    if had_ended:
        delete(api, header=token)
    delete_it(row_of(token))
    assert not valid(api, token)
    assert_deleted(delete(api, header=token))
    assert EndedSession.objects.get().reason == Reason.DELETED


def test_an_end_by_a_key_for_all_playouts_reads_no_session(api, django_assert_num_queries):
    token = start(api)
    delete(api)  # The key is known from now on.
    with django_assert_num_queries(1):
        assert_deleted(delete(api, header=token))


@pytest.mark.django_db(transaction=True)
def test_an_end_that_cannot_be_stored_is_not_acknowledged(api):
    token = start(api)
    with sql_refused("jay_ended_session"):
        response = delete(api, header=token)
    assert error_of(response) == (503, 503, "STORE_UNAVAILABLE")
    assert not response.cookies
    assert row_of(token).ended_at is None
    assert_deleted(delete(api, header=token))
    assert row_of(token).ended_at is not None
