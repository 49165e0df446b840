"""What Zephr said of linked sessions, in the admin."""

import pytest
from django.utils import timezone

from jay_sessions.models import LinkedZephrSession

from .test_sessions import LIST, listed, store

pytestmark = pytest.mark.django_db

PHONE = {
    "state": "authenticated",
    "user_state": "registered",
    "device": "mobile",
    "browser": "Safari",
    "os": "iOS",
    "country": "DE",
}
FILTERS = [f"zephr_{name}={value}" for name, value in PHONE.items()]


@pytest.fixture
def linking(setting):
    zephr = {"BASE_URL": "http://127.0.0.1:1", "ACCESS_KEY": "access", "SECRET_KEY": "secret"}
    setting(ZEPHR={**zephr, "LINK_SESSIONS": True})


@pytest.fixture
def phone():
    """A session linked to one that was fetched; gives its row."""
    LinkedZephrSession.objects.create(
        pk="phone-session-id", claimed_at=timezone.now(), fetched_at=timezone.now(), **PHONE
    )
    return store("phone:1", zephr_session_id="phone-session-id")


@pytest.mark.parametrize("query", FILTERS)
def test_each_fact_filters_the_list(admin_client, linking, phone, query):
    LinkedZephrSession.objects.create(pk="other", claimed_at=timezone.now(), fetched_at=timezone.now())
    store("other:1", zephr_session_id="other")
    store("none:1")
    assert listed(admin_client, f"?{query}") == {"phone:1"}
    assert query in admin_client.get(LIST).content.decode()


def test_the_list_says_what_is_known(admin_client, linking, phone):
    store("waiting:1", zephr_session_id="waiting")
    LinkedZephrSession.objects.create(pk="unknown", claimed_at=timezone.now(), fetched_at=timezone.now())
    store("unknown:1", zephr_session_id="unknown")
    page = admin_client.get(LIST).content.decode()
    assert "authenticated, registered, mobile, Safari, iOS, DE" in page
    assert "not fetched yet" in page
    assert "nothing known" in page


def test_a_site_that_links_nothing_has_neither_column_nor_filters(admin_client, phone):
    page = admin_client.get(LIST).content.decode()
    assert "at Zephr" not in page
    assert "zephr_device" not in page


def test_the_page_of_a_session_shows_every_fact_and_the_id_only_in_part(admin_client, phone):
    page = admin_client.get(f"{LIST}{phone.pk}/change/").content.decode()
    assert all(value in page for value in PHONE.values())
    assert "phone-se…" in page
    assert "phone-session-id" not in page


def test_the_page_of_a_session_that_was_not_fetched_says_so(admin_client):
    row = store(zephr_session_id="waiting")
    assert "not yet" in admin_client.get(f"{LIST}{row.pk}/change/").content.decode()


def test_the_page_of_a_session_without_a_link_has_nothing_of_zephr(admin_client):
    row = store()
    assert "Zephr session:" not in admin_client.get(f"{LIST}{row.pk}/change/").content.decode()


def test_what_zephr_said_is_shown_as_text(admin_client, linking):
    hostile = "<script>alert(1)</script>"
    LinkedZephrSession.objects.create(
        pk="hostile", claimed_at=timezone.now(), fetched_at=timezone.now(), device=hostile
    )
    row = store(zephr_session_id="hostile")
    for path in (LIST, f"{LIST}{row.pk}/change/"):
        page = admin_client.get(path).content.decode()
        assert hostile not in page
        assert "&lt;script&gt;" in page


def test_the_links_cost_the_list_six_queries_for_the_filters_and_none_per_row(
    admin_client, linking, phone, django_assert_num_queries
):
    for number in range(20):
        store(f"phone:{number}", zephr_session_id="phone-session-id")
    admin_client.get(LIST)
    with django_assert_num_queries(15):
        admin_client.get(LIST)
