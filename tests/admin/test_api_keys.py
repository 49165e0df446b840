import datetime
import re

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone

from jay_sessions.models import ApiKey

from ..conftest import key_of

pytestmark = pytest.mark.django_db

LIST = "/admin/jay_sessions/apikey/"
FORM = {
    "name": "partner",
    "scopes": ["tracking", "zephr"],
    "playouts": "netflix-*\r\n\r\n zdf:1 \r\nnetflix-*",
    "expires_at_0": "",
    "expires_at_1": "",
}


def create(client: Client, **changes):
    return client.post(f"{LIST}add/", {**FORM, **changes})


def test_a_new_key_is_in_no_line_of_the_log(admin_client, caplog):
    for name in (None, "django.template", "django.db.backends"):
        caplog.set_level("DEBUG", logger=name)
    response = create(admin_client)
    [text] = set(re.findall(r"jay_[0-9a-f]{8}_[\w-]{43}", response.content.decode()))
    assert "Exception while resolving variable" in caplog.text  # which writes the whole context
    assert text not in caplog.text + "".join(repr(vars(record)) for record in caplog.records)


def test_a_new_key_is_shown_once_and_works(admin_client):
    response = create(admin_client)
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    [text] = set(re.findall(r"jay_[0-9a-f]{8}_[\w-]{43}", response.content.decode()))
    key = ApiKey.objects.get()
    assert key_of(text) == key
    assert (key.name, key.scopes, key.playouts) == ("partner", ["tracking", "zephr"], ["netflix-*", "zdf:1"])
    answer = Client(headers={"X-API-Key": text}).post("/playouts/netflix-de/tracking/session")
    assert answer.status_code == 200
    for path in (LIST, f"{LIST}{key.pk}/change/", f"{LIST}{key.pk}/history/"):
        page = admin_client.get(path).content.decode()
        assert text not in page
        assert key.digest not in page
    assert not list(get_messages(response.wsgi_request))
    assert text not in str(admin_client.session.items())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["root"]}, "scopes"),
        ({"playouts": ""}, "playouts"),
        ({"playouts": "\n \n"}, "playouts"),
        ({"playouts": "x" * 256}, "playouts"),
        ({"playouts": "\n".join(map(str, range(101)))}, "playouts"),
        ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "expires_at"),
        ({"expires_at_0": "soon", "expires_at_1": ""}, "expires_at"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused_with_a_word_on_why(admin_client, changes, field):
    response = create(admin_client, **changes)
    assert set(response.context["adminform"].form.errors) == {field}
    assert not ApiKey.objects.exists()


def test_what_a_key_may_do_can_be_changed_but_not_its_secret(admin_client):
    create(admin_client)
    key = ApiKey.objects.get()
    response = admin_client.post(
        f"{LIST}{key.pk}/change/",
        {**FORM, "name": "renamed", "scopes": ["analytics"], "playouts": "*", "digest": "0" * 64},
    )
    assert response.status_code == 302
    changed = ApiKey.objects.get()
    assert (changed.name, changed.scopes, changed.playouts) == ("renamed", ["analytics"], ["*"])
    assert (changed.digest, changed.prefix) == (key.digest, key.prefix)


def test_an_expired_key_can_still_be_renamed(admin_client, issue_key):
    past = timezone.now().replace(microsecond=0) - datetime.timedelta(days=1)
    issue_key("old", expires_at=past)
    key = ApiKey.objects.get()
    local = timezone.localtime(past)
    form = {
        **FORM,
        "name": "renamed",
        "expires_at_0": local.strftime("%Y-%m-%d"),
        "expires_at_1": local.strftime("%H:%M:%S"),
    }
    assert admin_client.post(f"{LIST}{key.pk}/change/", form).status_code == 302
    assert ApiKey.objects.get().name == "renamed"


def test_the_list_tells_live_expired_and_revoked_keys_apart(admin_client, issue_key):
    issue_key("live")
    issue_key("expired", expires_at=timezone.now() - datetime.timedelta(seconds=1))
    issue_key("revoked")
    ApiKey.objects.filter(name="revoked").revoke()
    page = admin_client.get(LIST).content.decode()
    for state in ("live", "expired", "revoked"):
        assert f'<td class="field-state">{state}</td>' in page


def test_the_action_revokes_for_good_and_keeps_the_first_time(admin_client, issue_key):
    text = issue_key("partner")
    issue_key("other")
    key = ApiKey.objects.get(name="partner")
    form = {"action": "revoke", "_selected_action": [str(key.pk)]}
    page = admin_client.post(LIST, form, follow=True).content.decode()
    assert "1 API key was revoked." in page
    first = ApiKey.objects.get(name="partner").revoked_at
    assert first is not None
    assert ApiKey.objects.get(name="other").revoked_at is None
    assert "0 API keys were revoked." in admin_client.post(LIST, form, follow=True).content.decode()
    assert ApiKey.objects.get(name="partner").revoked_at == first
    answer = Client(headers={"X-API-Key": text}).post("/playouts/netflix-de/tracking/session")
    assert answer.status_code == 401


def test_permissions_decide_who_creates_and_who_revokes(issue_key):
    issue_key("partner")
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_apikey"))
    client = Client()
    client.force_login(user)
    assert client.get(LIST).status_code == 200
    assert create(client).status_code == 403
    client.post(LIST, {"action": "revoke", "_selected_action": [str(ApiKey.objects.get().pk)]})
    assert ApiKey.objects.get().revoked_at is None


def test_editing_a_key_does_not_bring_back_what_was_revoked_meanwhile(admin_client, issue_key, monkeypatch):
    issue_key("partner")
    key = ApiKey.objects.get()
    clean = ApiKey.full_clean

    def revoked_meanwhile(self, *args, **kwargs):
        ApiKey.objects.revoke()
        clean(self, *args, **kwargs)

    monkeypatch.setattr(ApiKey, "full_clean", revoked_meanwhile)
    form = {**FORM, "name": "renamed"}
    assert admin_client.post(f"{LIST}{key.pk}/change/", form).status_code == 302
    assert ApiKey.objects.get().name == "renamed"
    assert ApiKey.objects.get().revoked_at is not None
