"""Each key created or revoked, each deletion and each Zephr look-up leaves a line in Django's admin log."""

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.utils import timezone

from jay_sessions.core.uuid7 import uuid7
from jay_sessions.models import ApiKey, TrackingSession
from project.zephr_demo_sessions import DEMO_SESSIONS
from project.zephr_stand_in import ZephrStandIn

pytestmark = pytest.mark.django_db

KEYS = "/admin/jay_sessions/apikey/"
SESSIONS = "/admin/jay_sessions/trackingsession/"


def lines() -> list[tuple[str, int, str, str]]:
    found = LogEntry.objects.order_by("pk")
    return [
        (line.user.username, line.action_flag, line.object_repr, line.get_change_message()) for line in found
    ]


def sessions(count: int) -> list[str]:
    now = timezone.now()
    rows = [
        TrackingSession.objects.create(
            session_id=uuid7(now, number), playout_id="x", source="test", started_at=now
        )
        for number in range(count)
    ]
    return [str(row.pk) for row in rows]


def test_a_key_that_is_created_changed_revoked_and_deleted(admin_client):
    form = {"name": "web", "scopes": ["tracking"], "playouts": "*", "expires_at_0": "", "expires_at_1": ""}
    page = admin_client.post(f"{KEYS}add/", form).content.decode()
    key = ApiKey.objects.get()
    admin_client.post(f"{KEYS}{key.pk}/change/", {**form, "scopes": ["zephr"]})
    admin_client.post(KEYS, {"action": "revoke", "_selected_action": [key.pk]})
    admin_client.post(KEYS, {"action": "revoke", "_selected_action": [key.pk]})
    admin_client.post(f"{KEYS}{key.pk}/delete/", {"post": "yes"})
    assert [(user, flag, name) for user, flag, name, _ in lines()] == [
        ("admin", ADDITION, str(key)),
        ("admin", CHANGE, str(key)),
        ("admin", CHANGE, str(key)),
        ("admin", DELETION, str(key)),
    ]
    assert lines()[2][3] == "Revoked."
    assert key.digest not in str(lines())
    assert not [line for line in lines() if any(part in page for part in line[3].split() if "jay_" in part)]


def test_sessions_that_are_deleted_one_by_one_and_together(admin_client):
    ids = sessions(3)
    admin_client.post(f"{SESSIONS}{ids[0]}/delete/", {"post": "yes"})
    selected = {"action": "delete_selected", "_selected_action": ids[1:], "post": "yes"}
    admin_client.post(SESSIONS, selected)
    assert not TrackingSession.objects.exists()
    assert {(flag, name) for _, flag, name, _ in lines()} == {
        (DELETION, f"{name[:8]}…{name[-8:]}") for name in ids
    }


@pytest.mark.parametrize("session_id", [next(iter(DEMO_SESSIONS)), "an-unknown-session"])
def test_a_zephr_look_up_by_the_beginning_of_its_id(admin_client, setting, session_id):
    with ZephrStandIn("access", "secret") as zephr:
        setting(ZEPHR={"BASE_URL": zephr.base_url, "ACCESS_KEY": "access", "SECRET_KEY": "secret"})
        admin_client.post(f"{SESSIONS}zephr/", {"session_id": session_id})
    assert lines() == [("admin", CHANGE, f"Zephr session {session_id[:8]}…", "Looked up in Zephr.")]
    # The line stands in the history on the admin's front page, and leads nowhere.
    assert admin_client.get("/admin/").status_code == 200
