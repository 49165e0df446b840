"""What SECURITY.md says and no other test holds: what an attacker can do, and what not."""

import contextlib
import json
import re
import uuid

import pytest
from django.contrib.auth.models import User
from django.core import serializers
from django.test import Client

from jay_sessions.models import ApiKey, TrackingSession
from project.zephr_demo_sessions import DEMO_SESSIONS
from project.zephr_stand_in import ZephrStandIn

from .conftest import COOKIE, PATH, error_of, members_of, token_of, unsigned
from .support import servers

SCRIPT = "<script>alert(1)</script>"
SESSIONS = "/admin/jay_sessions/trackingsession/"
KEYS = "/admin/jay_sessions/apikey/"


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "delete"])
def test_a_token_is_worth_nothing_without_a_key(api, client, method):
    token = token_of(api.post(PATH))
    client.cookies[COOKIE] = token
    response = getattr(client, method)(PATH, headers={"X-JAY-TRACKING": token})
    assert error_of(response) == (401, 401, "API_KEY_MISSING")
    assert TrackingSession.objects.open().count() == 1


@pytest.mark.django_db
def test_a_key_for_tracking_opens_nothing_else(issue_key):
    client = Client(headers={"X-API-Key": issue_key(scopes=["tracking"])})
    assert client.post(PATH).status_code == 200
    assert error_of(client.get("/v3/sessions/x")) == (403, 403, "SCOPE_REQUIRED")


@pytest.mark.django_db
def test_an_api_key_opens_nothing_of_the_admin(api):
    for path in ("/admin/", SESSIONS, KEYS, f"{KEYS}add/", f"{SESSIONS}zephr/"):
        response = api.get(path)
        assert (response.status_code, response["Location"].partition("?")[0]) == (302, "/admin/login/")


@pytest.mark.django_db
def test_whoever_uses_up_the_rate_of_a_key_uses_it_up_for_everybody(api, setting):
    setting(THROTTLE_RATES={"key": "2/day"})
    for _ in range(2):
        assert api.post(PATH, REMOTE_ADDR="192.0.2.1").status_code == 200
    assert api.post(PATH, REMOTE_ADDR="192.0.2.2").status_code == 429


@pytest.mark.django_db
def test_what_a_client_sends_is_shown_as_text_in_the_admin(api, admin_client):
    assert api.post(f"/playouts/{SCRIPT[:-9]}/tracking/session", {"user_id": SCRIPT}).status_code == 200
    session = TrackingSession.objects.get()
    assert session.user_id == SCRIPT
    for path in (SESSIONS, f"{SESSIONS}{session.pk}/change/", f"{SESSIONS}?user={SCRIPT}"):
        page = admin_client.get(path, follow=True)
        assert page.status_code == 200
        assert SCRIPT[:-9] not in page.content.decode()


@pytest.mark.django_db
def test_a_page_elsewhere_cannot_make_an_operator_create_or_revoke_a_key(admin_user, key):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(admin_user)
    made = {"name": "made elsewhere", "scopes": ["zephr"], "playouts": "*"}
    assert browser.post(f"{KEYS}add/", made).status_code == 403
    revoke = {"action": "revoke", "_selected_action": [ApiKey.objects.get().pk]}
    assert browser.post(KEYS, revoke).status_code == 403
    assert ApiKey.objects.get().revoked_at is None


@pytest.mark.django_db
def test_a_staff_account_without_permissions_sees_and_does_nothing(api, setting):
    setting(ZEPHR={"TENANT": "acme", "ACCESS_KEY": "access", "SECRET_KEY": "secret"})
    assert api.post(f"{PATH}?user_id=ada").status_code == 200
    staff = Client()
    staff.force_login(User.objects.create_user("staff", is_staff=True))
    assert b"jay_sessions" not in staff.get("/admin/").content
    assert staff.get("/admin/password_change/").status_code == 200
    session, key = TrackingSession.objects.get(), ApiKey.objects.get()
    for path in (
        SESSIONS,
        f"{SESSIONS}add/",
        f"{SESSIONS}{session.pk}/change/",
        f"{SESSIONS}{session.pk}/delete/",
        f"{SESSIONS}{session.pk}/history/",
        f"{SESSIONS}zephr/",
        KEYS,
        f"{KEYS}add/",
        f"{KEYS}{key.pk}/change/",
        f"{KEYS}{key.pk}/delete/",
        f"{KEYS}{key.pk}/history/",
    ):
        for response in (staff.get(path), staff.post(path, {"post": "yes", "name": "new"})):
            assert response.status_code == 403
            assert b"ada" not in response.content
    assert TrackingSession.objects.open().count() == ApiKey.objects.filter(revoked_at=None).count() == 1


@pytest.mark.django_db
def test_what_is_stored_is_not_enough_for_a_token(api):
    token = token_of(api.post(f"{PATH}?user_id=ada"))
    stored = serializers.serialize("json", [*TrackingSession.objects.all(), *ApiKey.objects.all()])
    assert token not in stored
    assert members_of(token)["signature"] not in stored
    session = TrackingSession.objects.get()
    api.cookies.clear()
    forged = unsigned(session_id=str(session.session_id), user_id=session.user_id)
    for made in (forged, unsigned(session_id=str(session.session_id), signature="A" * 43)):
        assert error_of(api.get(PATH, headers={"X-JAY-TRACKING": made}))[0] == 400


@pytest.mark.django_db
def test_whoever_reads_the_table_of_logins_can_take_one_over_until_it_is_cleared(admin_client):
    from django.contrib.sessions.models import Session

    thief = Client()
    thief.cookies["sessionid"] = Session.objects.get().session_key
    assert thief.get(SESSIONS).status_code == 200
    Session.objects.all().delete()
    assert thief.get(SESSIONS).status_code == 302


@pytest.mark.django_db
def test_no_header_of_zephrs_reaches_the_client(api, setting):
    def fault(handler):
        handler.send_response(200)
        for name in ("Set-Cookie", "Location", "Access-Control-Allow-Origin", "X-Injected", "Retry-After"):
            handler.send_header(name, "from-zephr")
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"{}")

    with ZephrStandIn("access", "secret") as zephr:
        setting(ZEPHR={"BASE_URL": zephr.base_url, "ACCESS_KEY": "access", "SECRET_KEY": "secret"})
        zephr.fault = fault
        response = api.get("/v3/sessions/x")
    assert (response.status_code, response.content) == (200, b"{}")
    assert "from-zephr" not in str(response.headers)
    assert not response.cookies


@pytest.mark.server
@pytest.mark.parametrize(("level", "debug"), [("INFO", "0"), ("DEBUG", "0"), ("DEBUG", "1")])
def test_the_log_of_the_site_holds_paths_but_no_key_token_or_user_id(tmp_path, level, debug):
    [session_id, *_] = DEMO_SESSIONS
    made_up = f"jay_{'0' * 8}_{'k' * 43}"
    with ZephrStandIn("access", "the-secret-of-the-pair") as zephr, contextlib.ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LOG_LEVEL", level)
            patch.setenv("DEBUG", debug)
            patch.setenv("ZEPHR_BASE_URL", zephr.base_url)
            patch.setenv("ZEPHR_ACCESS_KEY", "access")
            patch.setenv("ZEPHR_SECRET_KEY", "the-secret-of-the-pair")
            server = stack.enter_context(servers.running("granian", tmp_path))

        call = server.call
        user = f"user-{uuid.uuid4().hex}"
        status, headers = call("POST", f"{PATH}?user_id={user}")
        token = headers["X-JAY-TRACKING"]
        assert status == 200
        body = json.dumps({"user_id": user})
        assert call("POST", PATH, body=body, Content_Type="application/json")[0] == 200
        for key in (server.key, made_up):
            for method in ("POST", "GET", "DELETE", "PATCH"):
                call(method, f"{PATH}?user_id={user}", key, Cookie=f"{COOKIE}={token}x", X_JAY_TRACKING=token)
        assert call("POST", f"{PATH}?user_id={user}%00")[0] == 422
        assert call("POST", PATH, body=f"{user}={user}", Content_Type="text/x")[0] == 415
        assert call("GET", f"/v3/sessions/{session_id}?user_id={user}")[0] == 200
        assert call("GET", f"/v3/sessions/nobody?user_id={user}")[0] == 404
        for path in (f"sessions/{session_id}/", f"users/{user}/sessions"):
            assert call("GET", f"/v3/{path}")[0] == 404
    log = (tmp_path / "server.log").read_text()
    assert PATH in log  # a refused request leaves its path
    for secret in (
        server.key,
        made_up,
        token,
        user,
        session_id,
        members_of(token)["signature"],
        "the-secret-of-the-pair",
    ):
        assert secret not in log
    assert not re.search(r"ZEPHR-HMAC|x-api-key", log, re.IGNORECASE)
