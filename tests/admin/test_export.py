"""The session list as a file, from the admin."""

import csv
import io
import json
import re

import pytest
from asgiref.sync import async_to_sync
from django.contrib.admin.models import CHANGE, LogEntry
from django.test import AsyncClient, Client
from django.utils import timezone

from jay_sessions.analytics import export
from jay_sessions.exceptions import StoreUnavailable
from jay_sessions.models import LinkedZephrSession

from ..conftest import operator, sql_refused
from .test_sessions import LIST, listed, store

pytestmark = pytest.mark.django_db

EXPORT = f"{LIST}export/"


def playouts(response):
    assert response.status_code == 200
    text = b"".join(response.streaming_content).decode()
    return [record["playout_id"] for record in csv.DictReader(io.StringIO(text, newline=""))]


def take(client, query="", form="csv"):
    return client.post(EXPORT + query, {"format": form})


def test_the_file_is_named_private_and_streamed(admin_client, time_machine):
    time_machine.move_to("2026-03-01T12:00:00+00:00", tick=False)
    response = take(admin_client)
    assert response.streaming
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="tracking-sessions-2026-03-01.csv"'
    assert "no-store" in response["Cache-Control"]
    assert response["X-Accel-Buffering"] == "no"
    assert take(admin_client, form="ndjson")["Content-Type"] == "application/x-ndjson"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?provider_name=netflix",
        "?state=active",
        "?state=ended&user=without",
        "?q=netflix*",
        "?q=netflix*&user=with",
        "?q=ada",
        "?q=nobody",
        "?period=hour",
        "?from=2000-01-01&source=other",
        "?zephr_device=mobile",
    ],
)
def test_it_has_exactly_what_the_list_shows(admin_client, setting, query):
    keys = {"BASE_URL": "http://127.0.0.1:1", "ACCESS_KEY": "a", "SECRET_KEY": "s", "LINK_SESSIONS": True}
    setting(ZEPHR=keys)
    now = timezone.now()
    LinkedZephrSession.objects.create(pk="phone", claimed_at=now, fetched_at=now, device="mobile")
    store("netflix:1", user_id="ada", zephr_session_id="phone")
    store("netflix:2", ended_at=now)
    store("zdf:1", source="other", user_id="netflix-fan")
    found = playouts(take(admin_client, query))
    assert set(found) == listed(admin_client, query)
    assert len(found) == len(set(found))


def test_it_has_all_pages_wherever_the_reader_is(admin_client, monkeypatch):
    monkeypatch.setattr(export, "BATCH", 7)
    rows = [store(f"netflix:{number:03}") for number in range(60)]
    query = f"?before={rows[5].pk}"
    assert len(listed(admin_client, query)) == 5
    assert len(playouts(take(admin_client, query))) == 60
    page = admin_client.get(LIST + query).content.decode()
    assert "before=" not in re.search(r'id="jay-export-csv"[^>]*action="([^"]*)"', page).group(1)


def test_the_page_offers_what_the_buttons_then_do(admin_client):
    store("netflix:1")
    store("zdf:1")
    page = admin_client.get(f"{LIST}?provider_name=netflix").content.decode()
    action = re.search(r'<form id="jay-export-csv" method="post" action="([^"]*)"', page).group(1)
    assert len(re.findall('form="jay-export-(?:csv|ndjson)"', page)) == 2
    assert playouts(admin_client.post(action, {"format": "csv"})) == ["netflix:1"]


def test_only_who_may_see_and_export_can():
    store()
    viewer = operator("view_trackingsession")
    assert take(viewer).status_code == 403
    assert "jay-export" not in viewer.get(LIST).content.decode()


def test_who_may_export_but_not_see_cannot():
    assert take(operator("export_trackingsession")).status_code == 403


def test_who_may_do_both_can():
    store("netflix:1")
    client = operator("view_trackingsession", "export_trackingsession")
    assert "jay-export" in client.get(LIST).content.decode()
    assert playouts(take(client)) == ["netflix:1"]


def test_nobody_exports_by_a_link_or_from_another_site(admin_client, admin_user):
    assert admin_client.get(EXPORT).status_code == 405
    assert take(Client()).status_code == 302
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)
    assert take(strict).status_code == 403
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("form", ["", "xls", "\0"])
def test_a_format_that_is_none_is_refused(admin_client, form):
    assert take(admin_client, form=form).status_code == 400
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    "query", ["?provider_name=%00", "?from=x", "?before=x", "?user_id__regex=(", "?nonsense=1"]
)
def test_a_query_that_makes_no_sense_is_refused(admin_client, query):
    assert take(admin_client, query).status_code == 400
    assert not LogEntry.objects.exists()


def test_each_export_leaves_a_line_that_names_format_and_filters(admin_client):
    take(admin_client)
    take(admin_client, "?state=ended&provider_name=netflix&q=ada@example.com", form="ndjson")
    take(admin_client, "?q=ada")
    lines = LogEntry.objects.order_by("pk")
    assert {(line.user.username, line.action_flag) for line in lines} == {("admin", CHANGE)}
    assert [line.get_change_message() for line in lines] == [
        "Exported as CSV: all.",
        "Exported as NDJSON: provider_name=netflix, state=ended, search=ada@exa….",
        "Exported as CSV: search=a….",
    ]
    assert admin_client.get("/admin/").status_code == 200


def test_a_database_that_goes_away_ends_the_file_with_a_word_and_an_error(admin_client, monkeypatch):
    monkeypatch.setattr(export, "BATCH", 2)
    for number in range(5):
        store(f"netflix:{number}")
    content = iter(take(admin_client, form="ndjson").streaming_content)
    next(content)
    with sql_refused("jay_tracking_session"):
        assert next(content) == b"\r\nINCOMPLETE: the database went away\r\n"
        with pytest.raises(StoreUnavailable):
            next(content)


@pytest.mark.django_db(transaction=True)
def test_under_asgi_it_is_streamed_too(admin_user, monkeypatch):
    monkeypatch.setattr(export, "BATCH", 2)
    for number in range(5):
        store(f"netflix:{number}")

    async def read():
        client = AsyncClient()
        await client.aforce_login(admin_user)
        response = await client.post(EXPORT, {"format": "ndjson"})
        return response.is_async, [piece async for piece in response.streaming_content]

    is_async, pieces = async_to_sync(read)()
    assert is_async
    assert len(pieces) == 3
    lines = b"".join(pieces).splitlines()
    assert [json.loads(line)["playout_id"] for line in lines] == [f"netflix:{n}" for n in (4, 3, 2, 1, 0)]
