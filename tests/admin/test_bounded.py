"""Pages of the admin end, whatever the database does."""

import contextlib
import time

import psycopg
import pytest
from django.db import connection, connections
from django.urls import reverse
from django.utils import timezone

from jay_sessions.admin import bounded
from jay_sessions.admin.changelist import deletion, export
from jay_sessions.exceptions import StoreNotMigrated, StoreUnavailable
from jay_sessions.models import ApiKey, TrackingSession

from ..conftest import operator
from ..outages.proxy import Proxy
from .test_api_keys import FORM
from .test_scale import across, fill

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="Others have no wait without end."),
]

PAGES = [
    reverse(f"admin:jay_sessions_{name}")
    for name in ("trackingsession_changelist", "dashboard", "apikey_changelist", "apikey_add")
]


@contextlib.contextmanager
def locked(*tables):
    """Let whoever asks for the tables wait."""
    settings = connections.settings["default"]
    place = {"host": settings["HOST"], "port": settings["PORT"], "user": settings["USER"]}
    with psycopg.connect(**place, dbname=settings["NAME"], password=settings["PASSWORD"]) as other:
        other.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.fixture
def staff(monkeypatch):
    monkeypatch.setattr(bounded, "LONG", 0.5)
    return operator("view_trackingsession", "view_apikey", "add_apikey")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_whose_rows_do_not_come_is_a_503(staff, page):
    assert staff.get(page).status_code == 200
    # What logs a client in is asked within the page's time, too.
    with locked("jay_tracking_session", "jay_api_key", "django_content_type"):
        response = staff.get(page)
    assert response.status_code == 503
    if page != PAGES[1]:
        assert response["Retry-After"] == "5"
        assert "does not answer" in response.text
    assert staff.get(page).status_code == 200


@pytest.fixture
def proxy(settings):
    """A proxy in front of a replica: of another connection to the same rows."""
    settings.DATABASE_ROUTERS = ["tests.support.plain_site_routers.Replica"]
    place = connections.settings["default"]
    with Proxy((place["HOST"], int(place["PORT"]))) as between:
        connections["replica"] = replica = connection.copy("replica")
        replica.settings_dict |= {"HOST": "127.0.0.1", "PORT": str(between.port), "OPTIONS": {}}
        try:
            yield between
        finally:
            replica.close()
            del connections["replica"]


def test_a_page_whose_rows_a_replica_does_not_give_is_a_503(staff, proxy):
    assert staff.get(PAGES[0]).status_code == 200
    assert connections["replica"].connection is not None
    with locked("jay_tracking_session"):
        assert staff.get(PAGES[0]).status_code == 503
    assert staff.get(PAGES[0]).status_code == 200


def test_a_replica_whose_connection_falls_silent_is_asked_again_over_a_new_one(staff, proxy):
    assert staff.get(PAGES[0]).status_code == 200
    primary = connection.connection
    proxy.silence_open()
    assert staff.get(PAGES[0]).status_code == 200
    # Nothing was wrong with this one.
    assert connection.connection is primary
    assert not primary.closed


def test_a_replica_that_does_not_answer_at_all_is_not_waited_for_without_end(staff, proxy):
    proxy.silence_all()
    assert staff.get(PAGES[0]).status_code == 503
    proxy.recover()
    assert staff.get(PAGES[0]).status_code == 200


def test_a_page_whose_table_is_not_there_is_an_error_that_says_what_to_run(staff):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE jay_tracking_session RENAME TO elsewhere")
        try:
            with pytest.raises(StoreNotMigrated, match=r"Run: python manage\.py migrate"):
                staff.get(PAGES[0])
        finally:
            cursor.execute("ALTER TABLE elsewhere RENAME TO jay_tracking_session")


def test_what_is_sent_is_not_done_twice_and_not_acknowledged(staff):
    form = {**FORM, "origins": ""}
    with locked("jay_api_key"):
        response = staff.post(PAGES[3], form)
    assert response.status_code == 503
    assert not ApiKey.objects.exists()


def test_a_page_in_a_transaction_of_the_sites_is_a_503_too(staff, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    with locked("jay_tracking_session"):
        assert staff.get(PAGES[0]).status_code == 503
    assert staff.get(PAGES[0]).status_code == 200


def test_a_file_whose_rows_do_not_come_ends(monkeypatch):
    monkeypatch.setattr(export, "LONG", 0.5)
    staff = operator("view_trackingsession", "export_trackingsession")
    response = staff.post(reverse("admin:jay_sessions_export"), {"format": "csv"})
    pieces = []
    with locked("jay_tracking_session"), pytest.raises(StoreUnavailable):
        pieces.extend(response)
    assert pieces[-1] == export.INCOMPLETE
    assert staff.get(PAGES[0]).status_code == 200


def test_a_deletion_may_take_longer_than_one_of_its_statements(monkeypatch):
    monkeypatch.setattr(bounded, "LONG", 2)
    monkeypatch.setattr(deletion, "BATCH", 10)
    client = operator("view_trackingsession", "delete_trackingsession")
    fill(50)

    def slow(execute, *statement):
        if statement[0].startswith("DELETE"):
            time.sleep(0.6)
        return execute(*statement)

    form = across(post="yes", until=timezone.now().replace(year=2027).isoformat())
    with connection.execute_wrapper(slow):
        response = client.post(PAGES[0], form)
    assert response.status_code == 302
    assert not TrackingSession.objects.exists()
