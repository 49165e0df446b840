"""A POST that says which Zephr session it belongs to, where the site wants to know."""

import json

import pytest
from django.core.management import call_command
from django.test import Client

from jay_sessions import sessions
from jay_sessions.exceptions import InvalidZephrSessionId
from jay_sessions.models import TrackingSession

from ..conftest import PATH, PLAYOUT, error_of, members_of, token_of

pytestmark = pytest.mark.django_db

ZEPHR_ID = "26a73b7a-f7d0-48d8-85dd-a04b07313895"
ZEPHR = {"BASE_URL": "http://127.0.0.1:1", "ACCESS_KEY": "access", "SECRET_KEY": "secret"}


@pytest.fixture
def linking(setting):
    """Let the site link, with these names of ZEPHR."""

    def link(**names):
        setting(ZEPHR={**ZEPHR, "LINK_SESSIONS": True, **names})

    link()
    return link


def linked_to():
    """What the only session that is stored is linked to."""
    return TrackingSession.objects.values_list("zephr_session_id", flat=True).get()


def post(api, query="", cookie=None, **options):
    if cookie is not None:
        api.cookies["blaize_session"] = cookie
    return api.post(f"{PATH}{query}", **options)


def test_nothing_is_linked_unless_the_site_wants_it(api, setting):
    for zephr in ({}, ZEPHR):
        setting(ZEPHR=zephr)
        token_of(post(api, f"?zephr_session_id={ZEPHR_ID}", ZEPHR_ID))
    assert set(TrackingSession.objects.values_list("zephr_session_id", flat=True)) == {None}


@pytest.mark.parametrize("value", ["x" * 256, "%00", ".."])
def test_where_nothing_is_linked_the_parameter_is_none(api, value):
    token_of(post(api, f"?zephr_session_id={value}"))


def test_the_cookie_of_zephr_links(api, linking):
    token = token_of(post(api, cookie=ZEPHR_ID))
    assert linked_to() == ZEPHR_ID
    assert "zephr" not in json.dumps(members_of(token))


def test_the_cookie_may_have_another_name(api, linking):
    linking(SESSION_COOKIE_NAME="zephr")
    api.cookies["zephr"] = ZEPHR_ID
    token_of(post(api, cookie="other"))
    assert linked_to() == ZEPHR_ID


def test_the_parameter_links(api, linking):
    token_of(post(api, f"?zephr_session_id={ZEPHR_ID}"))
    assert linked_to() == ZEPHR_ID


@pytest.mark.parametrize(
    "options",
    [
        {"data": {"zephr_session_id": ZEPHR_ID}, "content_type": "application/json"},
        {"data": f"zephr_session_id={ZEPHR_ID}", "content_type": "application/x-www-form-urlencoded"},
        {"data": {"zephr_session_id": ZEPHR_ID}},
    ],
    ids=["json", "form", "multipart"],
)
def test_the_body_links_with_the_user_in_the_query(api, linking, options):
    token_of(post(api, "?user_id=user-1", **options))
    assert linked_to() == ZEPHR_ID
    assert TrackingSession.objects.get().user_id == "user-1"


def test_the_query_wins_over_the_body_and_both_over_the_cookie(api, linking):
    body = {"data": {"zephr_session_id": "of-the-body"}, "content_type": "application/json"}
    token_of(post(api, "?zephr_session_id=of-the-query", "of-the-cookie", **body))
    assert linked_to() == "of-the-query"
    TrackingSession.objects.all().delete()
    token_of(post(api, "?zephr_session_id=%20", "of-the-cookie", **body))
    assert linked_to() == "of-the-body"


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("x" * 256, "string_too_long"),
        ("a%00b", "string_control_character"),
        ("..", "string_dot_segment"),
        ("%FF", "string_unicode"),
    ],
)
def test_a_parameter_that_can_be_no_id_is_a_422(api, linking, query, kind):
    response = post(api, f"?zephr_session_id={query}")
    assert response.status_code == 422
    [problem] = response.json()["detail"]
    assert (problem["loc"], problem["type"]) == (["query", "zephr_session_id"], kind)
    assert not TrackingSession.objects.exists()


@pytest.mark.parametrize("value", [1, [], {}, True])
def test_what_is_no_text_in_the_body_is_a_422(api, linking, value):
    response = post(api, data={"zephr_session_id": value}, content_type="application/json")
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "zephr_session_id"]


@pytest.mark.parametrize("cookie", ["", " ", '" "', "..", "x" * 256, '"a\\001b"'], ids=ascii)
def test_a_cookie_that_can_be_no_id_is_passed_over(api, linking, cookie):
    token_of(post(api, headers={"cookie": f"blaize_session={cookie}"}))
    assert linked_to() is None


def test_the_document_has_the_parameter_where_the_site_links(linking):
    def parameters():
        response = Client().get("/schema/", headers={"accept": "application/vnd.oai.openapi+json"})
        operation = json.loads(response.content)["paths"]["/playouts/{playout_id}/tracking/session"]["post"]
        return {parameter["name"] for parameter in operation["parameters"]}

    assert "zephr_session_id" in parameters()
    linking(LINK_SESSIONS=False)
    assert "zephr_session_id" not in parameters()


def test_the_document_is_made_without_a_warning_where_the_site_links(linking, tmp_path):
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema.yaml"))


def test_the_sites_own_code_links_too():
    sessions.start(PLAYOUT, zephr_session_id=ZEPHR_ID)
    assert linked_to() == ZEPHR_ID
    with pytest.raises(InvalidZephrSessionId):
        sessions.start(PLAYOUT, zephr_session_id="..")


def test_the_listing_says_nothing_of_zephr(api, linking):
    token_of(post(api, cookie=ZEPHR_ID))
    assert ZEPHR_ID not in api.get(f"{PATH}s").content.decode()


def test_another_method_links_nothing(api, linking):
    assert error_of(api.get(f"{PATH}?zephr_session_id=%00"))[2] == "TRACKING_NOT_VALID"
