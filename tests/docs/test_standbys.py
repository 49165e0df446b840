"""What docs/operations.md says of standbys, replicas and backups, on real PostgreSQL servers."""

import io
import os
import re
import subprocess
import sys
import types

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.utils import load_backend
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jay_sessions.database import replicas, suspects
from jay_sessions.models import ApiKey, TrackingSession

from ..admin.test_scale import across
from ..analytics.test_imports import as_ndjson, line
from ..analytics.test_rollups import DAY, HOUR
from ..conftest import PATH, error_of, forget_shared, need_shell, operator, token_of, until
from ..support import postgres_server
from ..support.other_process import other_process
from ..support.pages import blocks, page, section
from ..support.pgbouncer import place_of

pytestmark = [pytest.mark.server, pytest.mark.durability, pytest.mark.timeout(300)]

TEXT = page("docs/operations.md")
SETTINGS, ROUTER = [code for code in blocks(TEXT, "python") if "replica" in code]
BACKUP, RESTORE = blocks(section(TEXT, "What a restored backup brings back"), "sh")[:2]
LIST = reverse("admin:jay_sessions_trackingsession_changelist")
DASHBOARD = reverse("admin:jay_sessions_dashboard")
EXPORT = reverse("admin:jay_sessions_export")
API = PATH.rpartition("/")[0]


@pytest.fixture(scope="module")
def pair():
    """A PostgreSQL with the site's tables, and a standby of it."""
    with postgres_server.migrated() as found:
        yield found, found.server.replica("berlin")


@pytest.fixture
def primary(pair):
    return pair[0].server


@pytest.fixture
def standby(pair):
    standby = pair[1].ensure_running()
    standby.resume()
    return standby


@pytest.fixture
def site(pair, standby, transactional_db, settings, monkeypatch):
    """Let this process be a site with a new database, and the settings and the router of the page."""
    url = pair[0].new_database()
    standby.caught_up(pair[0].server)
    written = {"DATABASES": {"default": place_of(url)}}
    exec(SETTINGS, written)
    written["DATABASES"]["replica"] |= {"HOST": "127.0.0.1", "PORT": str(standby.port)}
    module = types.ModuleType("mysite.routers")
    exec(ROUTER, vars(module))
    monkeypatch.setitem(sys.modules, "mysite.routers", module)
    own, places = connections["default"], connections.configure_settings(written["DATABASES"])
    # Doubts about these servers are none about the database of the tests.
    monkeypatch.setattr(suspects, "_doubted", {})
    # Others of its threads ask this one alone.
    monkeypatch.setitem(connections.settings, "default", places["default"])
    for alias, place in places.items():
        connections[alias] = load_backend(place["ENGINE"]).DatabaseWrapper(place, alias)
    settings.DATABASE_ROUTERS = written["DATABASE_ROUTERS"]
    forget_database()
    yield
    forget_database()
    for alias in places:
        connections[alias].close()
    del connections["replica"]
    connections["default"] = own


def forget_database():
    """Let the process begin anew with all that it has read from the database."""
    forget_shared()
    ContentType.objects.clear_cache()


@pytest.fixture
def api(site, pair):
    return Client(headers={"X-API-Key": pair[0].key})


def started(api):
    """Start a session; return its token, which the client keeps in no cookie."""
    token = token_of(api.post(PATH))
    api.cookies.clear()
    return token


def status(api, method, token):
    return getattr(api, method)(PATH, headers={"X-JAY-TRACKING": token}).status_code


def shown(api, staff):
    """How many sessions there are in the API's list and numbers, the admin's pages and file, and a file."""
    listed, numbers = (api.get(f"{API}/{name}").json()["data"] for name in ("sessions", "statistics"))
    return [
        len(listed),
        sum(bucket["sessions"] for bucket in numbers),
        len(staff.get(LIST).context["cl"].result_list),
        int(staff.get(DASHBOARD).context["cards"][0].value),
        b"".join(staff.post(EXPORT, {"format": "ndjson"})).count(b"\n"),
        run("jay_export_sessions", "--format", "ndjson").count("\n"),
    ]


def run(name, *arguments):
    out = io.StringIO()
    call_command(name, *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_lists_and_numbers_come_from_the_replica_and_all_else_from_the_primary(api, primary, standby):
    staff = operator("view_trackingsession", "export_trackingsession")
    started(api)
    standby.caught_up(primary)
    standby.pause()
    token = started(api)
    assert [status(api, verb, token) for verb in ("get", "delete", "get")] == [200, 200, 400]
    assert shown(api, staff) == [1] * 6
    # A row of the one may refer to a row of the other.
    TrackingSession.objects.get().api_key = ApiKey.objects.get()
    standby.resume()
    standby.caught_up(primary)
    assert shown(api, staff) == [2] * 6


@pytest.fixture
def busy(setting):
    """Let the site throttle, purge and fetch from Zephr."""
    zephr = {"BASE_URL": "http://127.0.0.1:1", "ACCESS_KEY": "access", "SECRET_KEY": "secret"}
    setting(THROTTLE_RATES={"key": "6/min"}, RETENTION=7 * DAY, SESSION_LIFETIME=HOUR, ZEPHR=zephr)


def test_without_the_replica_only_lists_and_numbers_are_missing(api, primary, standby, busy, tmp_path):
    staff = operator("view_trackingsession", "export_trackingsession", "view_apikey")
    standby.stop("fast")
    for client, paths in ((api, [f"{API}/sessions", f"{API}/statistics"]), (staff, [LIST, DASHBOARD])):
        assert [client.get(path).status_code for path in paths] == [503] * 2
    assert staff.post(EXPORT, {"format": "ndjson"}).status_code == 503
    with pytest.raises(CommandError, match="The database is unavailable"):
        run("jay_export_sessions")
    token = started(api)
    assert [status(api, verb, token) for verb in ("get", "delete", "get")] == [200, 200, 400]
    # The two that were refused above count, too.
    assert error_of(api.post(PATH)) == (429, 503, "RATE_LIMITED")
    assert api.get("/health/ready/").status_code == 200
    assert staff.get(reverse("admin:jay_sessions_apikey_changelist")).status_code == 200
    mine = {"headers": {"X-API-Key": run("jay_create_api_key", "new").strip()}}
    assert api.post(PATH, **mine).status_code == 200
    assert run("jay_revoke_api_key", "new") == "1 revoked.\n"
    assert error_of(api.post(PATH, **mine)) == (401, 401, "API_KEY_INVALID")
    assert run("jay_rollup_sessions").endswith(" later ends counted.\n")
    brought = as_ndjson(tmp_path / "brought", [line(timezone.now() - HOUR, user_id="ada")])
    assert run("jay_import_sessions", str(brought)).startswith("Sessions: 1 imported")
    assert run("jay_erase_user", "ada") == "1 session erased.\n"
    assert run("jay_export_user", "ada") == ""
    assert run("jay_purge_sessions") == "0 sessions purged.\n"
    assert run("jay_enrich_sessions") == "Nothing was fetched.\n"
    standby.start()
    standby.caught_up(primary)
    assert len(staff.get(LIST).context["cl"].result_list) == 3


def test_an_operator_deletes_on_the_primary(api, primary, standby):
    staff = operator("view_trackingsession", "delete_trackingsession")
    for _ in range(3):
        started(api)
    standby.caught_up(primary)
    standby.pause()
    first = TrackingSession.objects.earliest("session_id").pk
    form = {"action": "delete_selected", "_selected_action": [str(first)], "post": "yes"}
    assert staff.post(LIST, form).status_code == 302
    assert TrackingSession.objects.primary().count() == 2
    staff.post(LIST, across(post="yes", until=timezone.now().isoformat()))
    assert not TrackingSession.objects.primary().exists()
    assert len(staff.get(LIST).context["cl"].result_list) == 3
    standby.resume()
    standby.caught_up(primary)
    assert not staff.get(LIST).context["cl"].result_list


def said(staff):
    """What the dashboard says of the replica."""
    return re.findall(r"The numbers come from a replica, which is up to (\d+) s behind\.", show(staff))


def show(staff):
    return staff.get(DASHBOARD).content.decode()


def test_the_dashboard_says_how_far_its_replica_is_behind(api, primary, standby):
    staff = operator("view_trackingsession")
    started(api)
    standby.caught_up(primary)
    assert "replica" not in show(staff)
    standby.pause()
    started(api)
    until(lambda: said(staff))
    assert int(said(staff)[0]) >= 2
    standby.resume()
    # Nothing has happened on the primary for longer than that.
    until(lambda: "replica" not in show(staff))
    assert replicas.lag("default") is None
    standby.detach()
    try:
        until(lambda: said(staff))
    finally:
        standby.attach()
    until(lambda: "replica" not in show(staff))


def test_while_its_only_synchronous_standby_is_away_every_write_waits(api, primary, standby, setting):
    primary.change("synchronous_standby_names", "ANY 1 (berlin)")
    try:
        token = started(api)
        standby.stop("fast")
        setting(DATABASE_TIMEOUT=0.5)
        refused = [api.post(PATH), api.delete(PATH, headers={"X-JAY-TRACKING": token})]
        assert [error_of(response) for response in refused] == [(503, 503, "STORE_UNAVAILABLE")] * 2
        standby.start()
        setting(DATABASE_TIMEOUT=30)
        assert status(api, "delete", token) == 200
        # The one that was refused is there, too.
        until(lambda: TrackingSession.objects.primary().count() == 2)
    finally:
        primary.change("synchronous_standby_names", "")


@pytest.fixture
def typed(api, primary, tmp_path):
    """Type a block of the page into a shell, with the name of the site's database."""
    need_shell()

    def typed(code):
        script = code.replace("site", connections["default"].settings_dict["NAME"])
        environment = {**os.environ, **primary.environment()}
        subprocess.run(["bash", "-euc", script], cwd=tmp_path, env=environment, check=True)

    return typed


def test_a_backup_revives_no_session_whose_end_it_knows(api, primary, typed, setting, settings):
    setting(SESSION_LIFETIME=DAY)
    url = primary.url(connections["default"].settings_dict["NAME"])
    with other_process(url, JAY_END_PROPAGATION="1", JAY_SESSION_LIFETIME="86400") as other:
        first, second = started(api), started(api)
        assert status(api, "delete", first) == 200
        typed(BACKUP)
        third = started(api)
        assert [status(api, "delete", token) for token in (second, third)] == [200, 200]
        until(lambda: other.read(second) == "not valid")
        typed(RESTORE)
        assert [status(api, "get", token) for token in (first, second, third)] == [400, 200, 200]
        until(lambda: other.read(second) == "valid")
        assert other.read(first) == "not valid"
        # And it reads the new ends of this database.
        assert status(api, "delete", second) == 200
        until(lambda: other.read(second) == "not valid")
    setting(SESSION_LIFETIME=1)
    until(lambda: status(api, "get", third) == 400)
    setting(SESSION_LIFETIME=DAY)
    assert status(api, "get", third) == 200
    settings.SECRET_KEY = "a new secret key, without the old one among the fallbacks"
    assert status(api, "get", third) == 400
