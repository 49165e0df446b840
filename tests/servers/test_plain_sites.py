"""Sites with databases of all kinds: each answers by the contract, and what it acknowledges is stored."""

import contextlib
import importlib.util
import json
import os
from pathlib import Path

import psycopg
import pytest

from ..conftest import unavailable
from ..support import plain_site, servers
from ..support.pgbouncer import pgbouncer, place_of

SQLITE = "django.db.backends.sqlite3"
CLIENTS, EACH = 6, 4

ALL_WELL = {
    "POST": {"200": CLIENTS * EACH},
    "GET": {"200": CLIENTS * EACH},
    "DELETE": {"200": CLIENTS * EACH // 2},
    "GET of an ended one": {"400": CLIENTS * EACH // 2},
    "sessions": {"200": CLIENTS},
    "statistics": {"200": CLIENTS},
}

three = pytest.mark.parametrize(
    ("app", "recorder"), [("wsgi", "direct"), ("wsgi lane", None), ("asgi lane", None)]
)
two = pytest.mark.parametrize(("app", "recorder"), [("wsgi", "direct"), ("asgi lane", None)])


@pytest.fixture
def database(tmp_path):
    """The URL of an empty PostgreSQL."""
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        pytest.skip("Speaks of PostgreSQL.")
    with servers.new_database(tmp_path) as url:
        yield url


def use(databases, app="wsgi", recorder="direct", **options):
    """Use a site with several clients at the same time. Without a `recorder` it does not set one."""
    app_settings = {} if recorder is None else {"JAY_SESSIONS": {"RECORDER": recorder}}
    settings = {**app_settings, **options.pop("settings", {})}
    return plain_site.use(
        databases, app=app, settings=settings, **{"clients": CLIENTS, "each": EACH, **options}
    )


def assert_all_is_well(found, *, clients=CLIENTS):
    expected = {
        name: {status: count // CLIENTS * clients for status, count in counts.items()}
        for name, counts in ALL_WELL.items()
    }
    assert found["answers"] == expected, (found["errors"], found["log"])
    assert found["users"] == sorted(f"{number}-{step}" for number in range(clients) for step in range(EACH))
    assert found["ended"] == clients * EACH // 2
    assert found["problems"] == {}, found["log"]


@three
def test_postgresql_as_djangos_documentation_writes_it_will_do(database, app, recorder):
    assert_all_is_well(use({"default": place_of(database)}, app, recorder))


def opened(url):
    """How many connections to this database have been opened and closed."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_clear_snapshot()")
        name = connection.info.dbname
        return connection.execute(
            "SELECT sessions FROM pg_stat_database WHERE datname = %s", [name]
        ).fetchone()[0]


@pytest.mark.parametrize(("recorder", "few"), [("direct", False), (None, True)])
def test_a_site_that_sets_nothing_opens_no_connection_for_a_tracking_request(database, recorder, few):
    # Django's own default.
    place = {**place_of(database), "CONN_MAX_AGE": 0}
    assert_all_is_well(use({"default": place}, recorder=recorder))
    requests = sum(sum(ALL_WELL[name].values()) for name in ("POST", "GET", "DELETE", "GET of an ended one"))
    assert (opened(database) < requests / 2) is few


@pytest.fixture
def behind_pgbouncer(database, tmp_path):
    """The entry of `DATABASES` for an empty PostgreSQL behind a PgBouncer."""
    with pgbouncer(database, tmp_path) as place:
        yield place


@three
@pytest.mark.parametrize("max_age", [0, 60])
def test_behind_a_pooler_each_client_has_its_answer_and_no_others(behind_pgbouncer, app, recorder, max_age):
    found = use({"default": {**behind_pgbouncer, "CONN_MAX_AGE": max_age}}, app, recorder)
    assert_all_is_well(found)
    # Connections that last for one request have nothing to plan ahead, and so nobody asks.
    said = found["log"].count("PostgreSQL is behind a connection pooler")
    assert said == int(max_age > 0 or recorder is None)
    assert "DISABLE_SERVER_SIDE_CURSORS" in found["log"] or not said


def test_a_site_that_says_so_itself_is_told_nothing_of_its_pooler(behind_pgbouncer):
    place = {**behind_pgbouncer, "CONN_MAX_AGE": 60, "DISABLE_SERVER_SIDE_CURSORS": True}
    found = use({"default": place})
    assert_all_is_well(found)
    assert "pooler" not in found["log"]


def test_ended_sessions_are_loaded_through_a_pooler(behind_pgbouncer):
    settings = {"JAY_SESSIONS": {"END_PROPAGATION": 1, "SESSION_LIFETIME": 3600}}
    first = use({"default": behind_pgbouncer}, settings=settings)
    assert_all_is_well(first)
    # Another process, which knows none of them yet.
    again = use({"default": behind_pgbouncer}, settings=settings, migrated=[])
    assert again["answers"] == ALL_WELL, again["log"]


@pytest.fixture
def _pool():
    if importlib.util.find_spec("psycopg_pool") is None:
        unavailable("psycopg_pool is not installed.")


@pytest.mark.usefixtures("_pool")
@pytest.mark.parametrize(("app", "behind"), [("wsgi", False), ("asgi lane", False), ("wsgi lane", True)])
def test_a_small_pool_of_psycopg_is_left_to_the_requests(database, tmp_path, app, behind):
    pooled = {"OPTIONS": {"pool": {"min_size": 1, "max_size": 2, "timeout": 10}}}
    with pgbouncer(database, tmp_path) if behind else contextlib.nullcontext(place_of(database)) as place:
        assert_all_is_well(use({"default": {**place, **pooled}}, app, "group"))


@two
@pytest.mark.parametrize(
    "changes",
    [
        {"OPTIONS": {"server_side_binding": True}},
        {"OPTIONS": {"isolation_level": psycopg.IsolationLevel.SERIALIZABLE.value}},
        {"ATOMIC_REQUESTS": True},
        {"TIME_ZONE": "Asia/Kolkata"},
        {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True},
    ],
    ids=json.dumps,
)
def test_options_of_a_site_change_nothing(database, app, recorder, changes):
    tracked = [*plain_site.SETTINGS["MIDDLEWARE"], "jay_sessions.middleware.TrackingSessionMiddleware"]
    assert_all_is_well(
        use({"default": {**place_of(database), **changes}}, app, recorder, settings={"MIDDLEWARE": tracked})
    )


@two
def test_a_schema_of_a_sites_own_will_do(database, app, recorder):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA own")
    options = {"options": "-c search_path=own"}
    assert_all_is_well(use({"default": {**place_of(database), "OPTIONS": options}}, app, recorder))


@pytest.mark.parametrize(
    ("app", "recorder", "atomic"), [("wsgi", "direct", "sessions"), ("asgi lane", "group", "default")]
)
def test_sessions_may_have_a_database_of_their_own(database, tmp_path, app, recorder, atomic):
    (tmp_path / "other").mkdir()
    with servers.new_database(tmp_path / "other") as other:
        databases = {"default": place_of(database), "sessions": place_of(other)}
        databases[atomic]["ATOMIC_REQUESTS"] = True
        settings = {"DATABASE_ROUTERS": ["tests.support.plain_site_routers.Apart"]}
        assert_all_is_well(use(databases, app, recorder, settings=settings))


@two
def test_what_must_be_known_at_once_is_not_asked_of_a_replica(database, tmp_path, app, recorder):
    (tmp_path / "other").mkdir()
    with servers.new_database(tmp_path / "other") as other:
        databases = {"default": place_of(database), "replica": place_of(other)}
        settings = {"DATABASE_ROUTERS": ["tests.support.plain_site_routers.Replica"]}
        assert_all_is_well(use(databases, app, recorder, settings=settings))


@pytest.mark.parametrize("app", ["wsgi", "wsgi lane"])
@pytest.mark.parametrize("name", [":memory:", "file:one?mode=memory", "file:one?mode=memory&cache=shared"])
def test_with_an_sqlite_in_memory_group_writes_to_the_one_that_the_thread_has(app, name):
    database = {"ENGINE": SQLITE, "NAME": name}
    assert_all_is_well(use({"default": database}, app, "group", clients=1), clients=1)


def test_an_sqlite_in_memory_that_all_threads_share_serves_an_event_loop():
    database = {"ENGINE": SQLITE, "NAME": "file:one?mode=memory&cache=shared"}
    assert_all_is_well(use({"default": database}, "asgi lane", "group", clients=1), clients=1)


LACKING = {
    "no table": {"migrated": []},
    "no column": {"sql": ["ALTER TABLE jay_tracking_session RENAME COLUMN source TO elsewhere"]},
}


def assert_it_says_what_to_do(found):
    del found["answers"]["DELETE"], found["answers"]["GET of an ended one"], found["answers"]["GET"]
    assert {status for counts in found["answers"].values() for status in counts} <= {"500", "200"}
    assert found["answers"]["POST"] == {"500": 3}
    assert "INTERNAL_ERROR" in found["errors"]
    assert "STORE_UNAVAILABLE" not in found["errors"]
    assert "python manage.py migrate" in found["log"]
    assert "The database is unavailable" not in found["log"]


@three
@pytest.mark.parametrize("options", LACKING.values(), ids=LACKING)
def test_without_a_table_an_sqlite_says_what_to_do_and_nobody_tries_again(tmp_path, app, recorder, options):
    database = {"ENGINE": SQLITE, "NAME": str(Path(tmp_path) / "site.sqlite3")}
    assert_it_says_what_to_do(use({"default": database}, app, recorder, clients=1, each=3, **options))


def test_what_to_do_names_the_database_that_lacks_the_tables(tmp_path):
    databases = {
        alias: {"ENGINE": SQLITE, "NAME": str(tmp_path / f"{alias}.sqlite3")}
        for alias in ("default", "sessions")
    }
    settings = {"DATABASE_ROUTERS": ["tests.support.plain_site_routers.Apart"]}
    found = use(databases, clients=1, each=3, migrated=["default"], settings=settings)
    assert_it_says_what_to_do(found)
    assert "python manage.py migrate --database sessions" in found["log"]


@two
@pytest.mark.parametrize("options", LACKING.values(), ids=LACKING)
def test_without_a_table_a_postgresql_says_what_to_do(database, app, recorder, options):
    place = place_of(database)
    found = use({"default": place}, app, recorder, clients=1, each=3, **options)
    assert_it_says_what_to_do(found)
    # PostgreSQL quotes the statement, and with it values.
    assert "0-0" not in found["log"]
