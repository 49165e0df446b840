import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from project.zephr_demo_sessions import DEMO_SESSIONS
from project.zephr_stand_in import ZephrStandIn

from .conftest import operator

pytestmark = pytest.mark.django_db

PAGE = "/admin/jay_sessions/trackingsession/zephr/"
LIST = "/admin/jay_sessions/trackingsession/"
[SESSION_ID, *_] = DEMO_SESSIONS


@pytest.fixture
def zephr(setting):
    with ZephrStandIn("access", "secret-of-the-pair") as running:
        setting(
            ZEPHR={
                "BASE_URL": running.base_url,
                "ACCESS_KEY": "access",
                "SECRET_KEY": "secret-of-the-pair",
                "TIMEOUT": 1,
            }
        )
        yield running


def look_up(client: Client, session_id: str) -> str:
    response = client.post(PAGE, {"session_id": session_id})
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    assert "secret-of-the-pair" not in response.content.decode()
    return response.content.decode()


@pytest.mark.parametrize("session_id", list(DEMO_SESSIONS))
def test_a_session_is_shown_in_words_and_raw(admin_client, zephr, session_id):
    page = look_up(admin_client, f" {session_id} ")
    device = DEMO_SESSIONS[session_id]["sessions"][0]
    for value in (session_id, device["deviceName"], device["state"], "demo|live", "second_party_data"):
        assert value in page


def test_what_zephr_sends_is_shown_as_text(admin_client, setting):
    evil = {"user_id": "<script>alert(1)</script>", "sessions": [{"city": "<img>"}], "x": "\ud800"}
    with ZephrStandIn("access", "secret", sessions={"evil": evil}) as running:
        setting(ZEPHR={"BASE_URL": running.base_url, "ACCESS_KEY": "access", "SECRET_KEY": "secret"})
        page = look_up(admin_client, "evil")
    assert "<script>alert" not in page
    assert "<img>" not in page


@pytest.mark.parametrize(
    ("session_id", "words"),
    [
        ("unknown", "knows no session"),
        ("..", "dot segment"),
        ("", "required"),
        ("x" * 256, "at most 255"),
        ("a\x00b", "Null characters"),
        ("a\x07b", "control characters"),
    ],
)
def test_an_id_that_leads_nowhere_is_explained(admin_client, zephr, session_id, words):
    assert words in look_up(admin_client, session_id)


def test_a_refused_key_pair_tells_the_operator_what_to_check(admin_client, zephr, setting):
    setting(ZEPHR={"BASE_URL": zephr.base_url, "ACCESS_KEY": "access", "SECRET_KEY": "another"})
    page = look_up(admin_client, SESSION_ID)
    assert "SECRET_KEY" in page
    assert "clock" in page


def test_a_zephr_that_is_away_tells_the_operator_what_to_check(admin_client, setting, zephr):
    zephr.stop()
    assert "BASE_URL" in look_up(admin_client, SESSION_ID)


def test_the_page_is_there_only_where_zephr_is_configured(admin_client, setting):
    setting(ZEPHR={})
    assert admin_client.get(PAGE).status_code == 404
    assert PAGE not in admin_client.get(LIST).content.decode()


def test_the_page_is_for_those_who_may(zephr):
    client = operator("view_trackingsession")
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, {"session_id": SESSION_ID}).status_code == 403
    assert PAGE not in client.get(LIST).content.decode()
    assert Client().get(PAGE).status_code == 302
    User.objects.get().user_permissions.set(
        Permission.objects.filter(codename__in=["lookup_zephr_session", "view_trackingsession"])
    )
    assert client.get(PAGE).status_code == 200
    assert PAGE in client.get(LIST).content.decode()
    assert not [seen for seen in zephr.requests if seen.path != "/"]


def test_asking_needs_a_form_of_this_site(zephr, admin_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert client.post(PAGE, {"session_id": SESSION_ID}).status_code == 403
