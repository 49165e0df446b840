import contextlib
import json
import socket
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psycopg
import pytest
from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connection, connections
from health_check.exceptions import ServiceUnavailable, ServiceWarning

from jay_sessions import health
from jay_sessions.checks import database as database_checks
from jay_sessions.models import TrackingSession
from jay_sessions.store import group
from project.zephr_stand_in import ZephrStandIn

from .conftest import store_down, until
from .support import servers
from .support.zephr_wire import ACCESS_KEY, SECRET_KEY

pytest_plugins = ["tests.support.zephr_gateway_fixtures"]


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch):
    monkeypatch.setattr(health, "_last", health._LastProbe())


@pytest.fixture
def nobody():
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.django_db
def test_a_store_that_takes_sessions_is_healthy(django_assert_max_num_queries):
    # One for each table, whether it takes writes, whether the user may write, whether these last, and
    # whether a partition takes them.
    with django_assert_max_num_queries(len(list(apps.get_app_config("jay_sessions").get_models())) + 4):
        health.SessionStore().run()
    assert not TrackingSession.objects.exists()


@pytest.mark.django_db
def test_a_store_that_is_away_is_not(caplog):
    with store_down(), pytest.raises(ServiceUnavailable, match="STORE_UNAVAILABLE"):
        health.SessionStore().run()
    assert "Sessions cannot be stored" in caplog.text


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("missing", "back"),
    [
        ("jay_tracking_session RENAME TO elsewhere", "elsewhere RENAME TO jay_tracking_session"),
        ("jay_ended_session RENAME TO elsewhere", "elsewhere RENAME TO jay_ended_session"),
        ("jay_api_key RENAME origins TO elsewhere", "jay_api_key RENAME elsewhere TO origins"),
    ],
    ids=["table", "other_table", "column"],
)
def test_a_store_that_lacks_a_table_or_a_column_is_to_be_migrated(missing, back, caplog):
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {missing}")
        try:
            with pytest.raises(ServiceUnavailable, match="STORE_NOT_MIGRATED"):
                health.SessionStore().run()
            [warning] = database_checks.check_migrated(databases=[connection.alias])
            assert database_checks.check_migrated(databases=["another"]) == []
        finally:
            cursor.execute(f"ALTER TABLE {back}")
    assert "Run: python manage.py migrate" in caplog.text
    assert "LINE 1" not in caplog.text
    assert warning.id == "jay_sessions.W114"
    assert "python manage.py migrate" in warning.hint
    assert database_checks.check_migrated(databases=[connection.alias]) == []


@pytest.mark.django_db
def test_a_store_that_is_read_only_is_not():
    if connection.vendor != "postgresql":
        pytest.skip("Only a PostgreSQL says so.")
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
    with pytest.raises(ServiceUnavailable, match="STORE_READ_ONLY"):
        health.SessionStore().run()


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="Only a PostgreSQL has users and rights.")
@pytest.mark.parametrize(
    "right",
    ["INSERT ON jay_tracking_session", "INSERT ON jay_late_session", "INSERT ON jay_ended_session"],
)
def test_a_store_that_the_sites_user_may_not_write_to_is_read_only(right, caplog):
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE jay_reader")
        cursor.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO jay_reader")
        cursor.execute("SET LOCAL ROLE jay_reader")
        health.SessionStore().run()
        cursor.execute("RESET ROLE")
        cursor.execute(f"REVOKE {right} FROM jay_reader")
        cursor.execute("SET LOCAL ROLE jay_reader")
    with pytest.raises(ServiceUnavailable, match="STORE_READ_ONLY"):
        health.SessionStore().run()
    privilege, _, table = right.partition(" ON ")
    assert f"The database user lacks the right {privilege} on {table}." in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_made_for_the_check_is_closed_after_it():
    if connection.vendor != "postgresql":
        pytest.skip("Django never closes an SQLite that is in memory.")
    left = []

    def check():
        health.SessionStore().run()
        left.append(connections[DEFAULT_DB_ALIAS].connection)

    thread = threading.Thread(target=check)
    thread.start()
    thread.join()
    assert left == [None]


def test_a_site_without_zephr_is_healthy(setting):
    setting(ZEPHR={})
    health.Zephr().run()


def test_zephr_is_asked_once_a_minute_and_no_more(stand_in, monkeypatch):
    health.Zephr().run()
    asked = len(stand_in.requests)
    assert asked == 2
    for _ in range(5):
        health.Zephr().run()
    assert len(stand_in.requests) == asked
    monkeypatch.setattr(health, "KEPT", 0.0)
    health.Zephr().run()
    assert len(stand_in.requests) == 2 * asked


def test_other_settings_are_asked_anew(stand_in, set_zephr):
    health.Zephr().run()
    set_zephr(stand_in.base_url, SECRET_KEY="another")
    for _ in range(2):
        with pytest.raises(ServiceUnavailable, match="ZEPHR_CREDENTIALS_REJECTED"):
            health.Zephr().run()


def test_the_log_says_what_to_do_and_no_secret_is_in_it(set_zephr, nobody, caplog):
    set_zephr(f"http://127.0.0.1:{nobody}")
    with pytest.raises(ServiceUnavailable, match="ZEPHR_UNAVAILABLE") as raised:
        health.Zephr().run()
    assert "Nothing listens there" in caplog.text
    for secret in (ACCESS_KEY, SECRET_KEY):
        assert secret not in caplog.text + str(raised.value)


def test_while_one_thread_asks_the_others_do_not_wait(stand_in, monkeypatch):
    with health._last._asking, pytest.raises(ServiceWarning, match="ZEPHR_NOT_KNOWN_YET"):
        health.Zephr().run()
    assert not stand_in.requests
    health.Zephr().run()
    monkeypatch.setattr(health, "KEPT", 0.0)
    with health._last._asking:
        health.Zephr().run()
    assert len(stand_in.requests) == 2


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    with ZephrStandIn(ACCESS_KEY, SECRET_KEY) as zephr:
        pair = {"ZEPHR_ACCESS_KEY": ACCESS_KEY, "ZEPHR_SECRET_KEY": SECRET_KEY}
        room = tmp_path_factory.mktemp("healthy")
        with servers.running("granian", room, ZEPHR_BASE_URL=zephr.base_url, **pair) as server:
            yield server


@pytest.fixture(scope="module")
def ailing(tmp_path_factory):
    """Its Zephr is not there, and neither is its cache; over http it redirects."""
    variables = {"ZEPHR_ACCESS_KEY": ACCESS_KEY, "ZEPHR_SECRET_KEY": SECRET_KEY, "SECURE_SSL_REDIRECT": "1"}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{taken.getsockname()[1]}"
        variables |= {"ZEPHR_BASE_URL": f"http://{nobody}", "REDIS_URL": f"redis://{nobody}"}
        with servers.running("gunicorn", tmp_path_factory.mktemp("ailing"), **variables) as server:
            yield server


def told(server, path, **headers):
    with contextlib.closing(server.connect()) as connection:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        assert response.headers["Content-Type"] == "application/json"
        assert "no-store" in response.headers["Cache-Control"]
        return response.status, json.load(response)


STORE, CACHE, ZEPHR = "SessionStore()", "Cache(alias='default')", "Zephr()"


@pytest.mark.server
def test_the_example_site_says_what_works(healthy):
    assert told(healthy, "/health/ready/") == (200, {STORE: "OK"})
    assert told(healthy, "/health/") == (200, dict.fromkeys([STORE, CACHE, ZEPHR], "OK"))
    assert healthy.rows() == 0


@pytest.mark.server
@pytest.mark.parametrize("accept", ["nonsense", "text/html", "application/rss+xml", "a/b; q=9", "", "*"])
def test_whatever_a_client_asks_for_it_is_told_in_json(healthy, accept):
    assert told(healthy, "/health/ready/?format=rss", Accept=accept) == (200, {STORE: "OK"})


@pytest.mark.server
def test_what_is_done_without_takes_no_site_out_of_a_load_balancer(ailing):
    assert told(ailing, "/health/ready/") == (200, {STORE: "OK"})
    status, said = told(ailing, "/health/")
    assert status == 503
    assert said[STORE] == "OK"
    assert said[ZEPHR] == "Unavailable: ZEPHR_UNAVAILABLE"
    assert said[CACHE].startswith("Unexpected Result")


@pytest.mark.server
def test_a_site_whose_database_is_gone_is_not_ready(tmp_path):
    with servers.running("granian", tmp_path) as server:
        assert told(server, "/health/ready/")[0] == 200
        break_database(server)
        assert told(server, "/health/ready/") == (503, {STORE: "Unavailable: STORE_NOT_MIGRATED"})


def break_database(server):
    url = server.database_url
    is_file = url.startswith("sqlite")
    database = sqlite3.connect(urlsplit(url).path) if is_file else psycopg.connect(url, autocommit=True)
    with contextlib.closing(database):
        database.execute("ALTER TABLE jay_tracking_session RENAME TO elsewhere")


@pytest.mark.django_db(transaction=True)
def test_a_recorder_that_is_stuck_is_not_ready(setting):
    setting(RECORDER="group", DATABASE_TIMEOUT=1)
    release = threading.Event()

    def held(rows):
        release.wait(30)
        return [None] * len(rows)

    batcher = group.recordings.threads.get("default").batcher
    work, batcher._work = batcher._work, held
    with ThreadPoolExecutor(1) as thread:
        recording = thread.submit(batcher.do, None)
        try:
            until(lambda: batcher.busy_for() > 3)
            with pytest.raises(ServiceUnavailable, match="STORE_STUCK"):
                health.SessionStore().run()
        finally:
            release.set()
        recording.result(30)
    batcher._work = work
    health.SessionStore().run()
