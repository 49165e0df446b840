import datetime
import uuid

import pytest
from django.test import Client
from django.utils import timezone

from jay_sessions import conf
from jay_sessions.core.uuid7 import uuid7
from jay_sessions.models import ApiKey, TrackingSession

from ..conftest import operator
from ..support.ends import end

pytestmark = pytest.mark.django_db

LIST = "/admin/jay_sessions/trackingsession/"


def store(
    playout: str = "netflix:1", *, ago: datetime.timedelta = datetime.timedelta(), ended_at=None, **fields
):
    started = timezone.now() - ago
    row = TrackingSession.objects.create(
        session_id=uuid7(started, uuid.uuid4().int >> 66),
        playout_id=playout,
        started_at=started,
        source=fields.pop("source", "jay.api.playout.1.0.0"),
        provider_name=conf.get().provider_name(playout),
        **fields,
    )
    end(ended_at, row)
    return row


def listed(client: Client, query: str = "") -> set[str]:
    response = client.get(LIST + query)
    assert response.status_code == 200
    return {row.playout_id for row in response.context["cl"].result_list}


def test_the_list_shows_the_newest_first(admin_client):
    store("older:1", ago=datetime.timedelta(hours=1))
    store("newer:1")
    rows = admin_client.get(LIST).context["cl"].result_list
    assert [row.playout_id for row in rows] == ["newer:1", "older:1"]


def test_the_list_names_the_key_and_survives_its_deletion(admin_client, issue_key):
    issue_key("partner")
    row = store(api_key=ApiKey.objects.get())
    assert "partner" in admin_client.get(LIST).content.decode()
    ApiKey.objects.get().delete()
    page = admin_client.get(LIST)
    assert page.status_code == 200
    assert str(row.pk) in page.content.decode()
    assert admin_client.get(f"{LIST}{row.pk}/change/").status_code == 200


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?provider_name=netflix", {"netflix:1"}),
        ("?source=other", {"zdf:1"}),
        ("?state=ended", {"arte:1"}),
        ("?state=active", {"netflix:1", "zdf:1"}),
        ("?user=with", {"netflix:1"}),
        ("?user=without", {"zdf:1", "arte:1"}),
        ("?period=hour", {"netflix:1"}),
        ("?period=7-days", {"netflix:1", "arte:1"}),
        ("?period=30-days", {"netflix:1", "arte:1", "zdf:1"}),
    ],
)
def test_each_filter_keeps_what_it_names(admin_client, query, expected):
    store("netflix:1", user_id="ada")
    store("zdf:1", source="other", ago=datetime.timedelta(days=20))
    store("arte:1", ended_at=timezone.now(), ago=datetime.timedelta(days=3))
    assert listed(admin_client, query) == expected


@pytest.mark.parametrize(
    ("period", "expected"),
    [("today", {"midnight:1", "noon:1"}), ("yesterday", {"late:1"})],
)
def test_days_begin_at_midnight_of_the_operators_zone(admin_client, settings, time_machine, period, expected):
    settings.TIME_ZONE = "Asia/Kathmandu"
    time_machine.move_to(datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.UTC), tick=False)
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    store("noon:1")
    store("midnight:1", ago=timezone.now() - midnight)
    store("late:1", ago=timezone.now() - midnight + datetime.timedelta.resolution)
    assert listed(admin_client, f"?period={period}") == expected


def test_expired_sessions_have_a_state_of_their_own_where_sessions_have_a_lifetime(admin_client, setting):
    store("old:1", ago=datetime.timedelta(hours=2))
    store("new:1")
    assert "state=expired" not in admin_client.get(LIST).content.decode()
    setting(SESSION_LIFETIME=3600)
    assert "state=expired" in admin_client.get(LIST).content.decode()
    assert listed(admin_client, "?state=expired") == {"old:1"}
    assert listed(admin_client, "?state=active") == {"new:1"}


def test_the_choice_of_providers_is_what_is_stored_and_bounded(admin_client):
    for number in range(60):
        store(f"provider{number:02d}:1")
    page = admin_client.get(LIST).content.decode()
    assert page.count("provider_name=provider") == 50


def test_a_filter_that_has_nothing_to_offer_is_heeded_all_the_same(admin_client):
    store("unknown")
    assert listed(admin_client, "?provider_name=netflix") == set()


@pytest.mark.parametrize("field", ["session_id", "upper", "user_id", "playout_id"])
def test_search_finds_whole_values(admin_client, field):
    row = store("netflix:1", user_id="ada@example.com")
    store("netflix:2", user_id="bob@example.com")
    term = str(row.pk).upper() if field == "upper" else str(getattr(row, field))
    assert listed(admin_client, f"?q={term}") == {"netflix:1"}


@pytest.mark.parametrize("term", ["netflix", "ada@", str(uuid.UUID(int=7)), "%25", "'"])
def test_search_finds_nothing_by_a_part_of_a_value(admin_client, term):
    store("netflix:1", user_id="ada@example.com")
    assert listed(admin_client, f"?q={term}") == set()


@pytest.mark.parametrize(
    "query", ["?provider_name=%00", f"?source={'x' * 300}", "?q=%00", "?o=99", "?p=0", "?nonsense=1", "?all="]
)
def test_odd_queries_get_no_error_page(admin_client, query):
    store()
    response = admin_client.get(LIST + query, follow=True)
    assert response.status_code == 200


@pytest.mark.parametrize("query", ["?user_id__regex=(", "?source__icontains=x", "?api_key__digest=0"])
def test_look_ups_made_up_in_the_url_are_refused(admin_client, query):
    assert admin_client.get(LIST + query).status_code == 400


def test_the_detail_page_shows_everything_and_changes_nothing(admin_client):
    row = store("netflix:1", user_id="ada")
    page = admin_client.get(f"{LIST}{row.pk}/change/")
    text = page.content.decode()
    assert all(value in text for value in (str(row.pk), "netflix:1", "ada", row.source, "active"))
    assert 'name="_save"' not in text
    assert admin_client.post(f"{LIST}{row.pk}/change/", {"user_id": "eve"}).status_code == 403
    assert admin_client.get(f"{LIST}add/").status_code == 403


def test_a_viewer_sees_but_cannot_delete():
    row = store()
    client = operator("view_trackingsession")
    assert client.get(LIST).status_code == 200
    assert "delete_selected" not in client.get(LIST).content.decode()
    assert client.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(LIST, {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"})
    assert TrackingSession.objects.exists()


def test_who_may_delete_can_delete_one_or_several():
    rows = [store() for _ in range(3)]
    client = operator("view_trackingsession", "delete_trackingsession")
    client.post(f"{LIST}{rows[0].pk}/delete/", {"post": "yes"})
    assert TrackingSession.objects.count() == 2
    selected = [str(row.pk) for row in rows[1:]]
    client.post(LIST, {"action": "delete_selected", "_selected_action": selected, "post": "yes"})
    assert not TrackingSession.objects.exists()


def test_without_a_permission_there_is_no_list():
    assert operator().get(LIST).status_code == 403
    assert Client().get(LIST).status_code == 302


def test_a_page_costs_a_fixed_number_of_queries(admin_client, django_assert_num_queries, issue_key):
    issue_key("partner")
    for number in range(55):
        store(f"netflix:{number}", api_key=ApiKey.objects.get())
    admin_client.get(LIST)
    # session, user, count, rows with their keys, two for providers, two for sources, the rollups' state
    with django_assert_num_queries(9):
        admin_client.get(LIST)
