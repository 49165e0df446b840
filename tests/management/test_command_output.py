"""What the commands print and where it goes, and the one line that each has for whatever is wrong."""

import contextlib
import io
import os
import re
import signal

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.utils import timezone

from jay_sessions.core import key_text
from jay_sessions.core.uuid7 import uuid7
from jay_sessions.models import ApiKey, TrackingSession
from project.zephr_stand_in import ZephrStandIn

from ..conftest import key_of, store_down

pytestmark = pytest.mark.django_db

ARGUMENTS = {
    "jay_create_api_key": ["partner"],
    "jay_end_sessions": ["--user", "ada"],
    "jay_erase_user": ["ada"],
    "jay_export_user": ["ada"],
    # As a file without a session.
    "jay_import_sessions": [os.devnull],
    "jay_revoke_api_key": ["partner"],
}
COMMANDS = [name for name, app in sorted(get_commands().items()) if app == "jay_sessions"]
WITH_DATABASE = [name for name in COMMANDS if name != "jay_ping_zephr"]
# It needs a PostgreSQL and a setting: tests/store/test_partitions.py.
EVERYWHERE = [name for name in COMMANDS if name != "jay_partition_sessions"]
EXPORTS = ["jay_export_sessions", "jay_export_user"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(name, *arguments, **options):
    """What a command prints to standard output, and to standard error as a terminal."""
    out, err = io.StringIO(), Terminal()
    given = [*ARGUMENTS.get(name, []), *arguments]
    call_command(name, *given, **{"stdout": out, "stderr": err, "no_color": True, **options})
    return out.getvalue(), err.getvalue()


def refusal(name, **options):
    """The line that a command ends with."""
    with pytest.raises(CommandError) as caught:
        run(name, **options)
    line = str(caught.value)
    assert line
    assert "\n" not in line
    assert caught.value.returncode != 0
    return line


@contextlib.contextmanager
def no_tables():
    """Put a database without the app's tables in the place of the test's."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL search_path TO pg_catalog")
        yield
        return
    healthy = connections[DEFAULT_DB_ALIAS]
    empty = type(healthy)({**healthy.settings_dict, "NAME": ":memory:"}, DEFAULT_DB_ALIAS)
    connections[DEFAULT_DB_ALIAS] = empty
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS] = healthy
        empty.connection.close()


@contextlib.contextmanager
def read_only():
    """Let the database refuse whatever writes."""
    is_postgresql = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL transaction_read_only = on" if is_postgresql else "PRAGMA query_only = 1")
    try:
        yield
    finally:
        if not is_postgresql:
            # Past Django, which asks nothing of a transaction that has failed.
            connection.connection.execute("PRAGMA query_only = 0")


def store(user_id="ada"):
    now = timezone.now()
    TrackingSession.objects.create(
        session_id=uuid7(now, 1), started_at=now, playout_id="netflix-de:ü", user_id=user_id, source="here"
    )


@pytest.fixture
def good(setting):
    """A world in which each command has something to do, and does it."""
    with ZephrStandIn("access", "secret") as zephr:
        keys = {"BASE_URL": zephr.base_url, "ACCESS_KEY": "access", "SECRET_KEY": "secret"}
        setting(ZEPHR={**keys, "LINK_SESSIONS": True}, SESSION_LIFETIME=60, RETENTION=60)
        ApiKey.objects.issue("partner")
        store()
        yield


@pytest.mark.parametrize("name", WITH_DATABASE)
def test_without_a_database_a_command_says_so_in_a_line(name):
    with store_down():
        line = refusal(name)
    assert line.startswith("The database is unavailable: ")
    assert "DATABASES" in line


@pytest.mark.parametrize("name", WITH_DATABASE)
def test_before_the_tables_are_there_a_command_says_what_to_run(name):
    with no_tables():
        assert "Run: python manage.py migrate" in refusal(name)


@pytest.mark.parametrize("name", ["jay_export_sessions", "jay_purge_sessions", "jay_rollup_sessions"])
def test_before_a_column_is_there_a_command_says_what_to_run(name, good):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE jay_tracking_session RENAME COLUMN source TO elsewhere")
    assert refusal(name).startswith("The database is not migrated. Run: python manage.py migrate.")


@pytest.mark.parametrize("name", ["jay_enrich_sessions", "jay_ping_zephr", "jay_purge_sessions", *EXPORTS])
def test_a_wrong_setting_is_named_in_a_line(name, setting):
    setting(RETENTON=60)
    assert "RETENTON" in refusal(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_needs_no_database(name, capsys):
    with store_down():
        load_command_class("jay_sessions", name).print_help("manage.py", name)
    assert f"manage.py {name}" in capsys.readouterr().out


def test_the_password_of_the_database_is_not_in_the_line(monkeypatch):
    with store_down():
        monkeypatch.setitem(connections[DEFAULT_DB_ALIAS].settings_dict, "PASSWORD", "p4ss'w ord\\")
        with pytest.raises(CommandError) as caught:
            run("jay_rollup_sessions")
    assert "p4ss" not in str(caught.value)


@pytest.mark.parametrize("name", ["jay_create_api_key", "jay_revoke_api_key", "jay_rollup_sessions"])
def test_a_database_that_takes_no_writes_is_told_in_a_line(name, good):
    with read_only():
        assert re.search("read-?only", refusal(name))


@pytest.mark.skipif(connection.vendor != "postgresql", reason="Only a PostgreSQL has users and rights.")
@pytest.mark.parametrize("name", ["jay_create_api_key", "jay_export_sessions", "jay_rollup_sessions"])
def test_a_database_user_without_rights_is_told_in_a_line(name, good):
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE jay_nobody")
        cursor.execute("SET LOCAL ROLE jay_nobody")
    line = refusal(name)
    assert line.startswith("The database refuses it: permission denied for table jay_")
    assert "Give the site's database user the rights to the app's tables." in line
    assert "migrate" not in line


def test_a_key_is_not_made_where_the_database_takes_no_writes():
    out = io.StringIO()
    with read_only():
        assert "No key was created." in refusal("jay_create_api_key", stdout=out)
    assert out.getvalue() == ""


@pytest.mark.parametrize("name", EVERYWHERE)
def test_what_a_command_did_is_told_unless_verbosity_is_0(name, good):
    out, err = run(name, verbosity=0)
    assert err == ""
    if name == "jay_create_api_key":
        assert key_text.has_form(out.strip())
    elif name in EXPORTS:
        assert "netflix-de:ü" in out
    else:
        assert out == ""


@pytest.mark.parametrize("name", EVERYWHERE)
def test_what_a_command_did_is_told(name, good):
    assert run(name)[0].endswith("\n")


@pytest.mark.parametrize("form", ["csv", "ndjson"])
@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_the_same_as_text_as_bytes_and_in_a_file(name, form, tmp_path, good):
    with_bytes = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    run(name, "--format", form, stdout=with_bytes)
    path = tmp_path / "export"
    assert run(name, "--format", form, "--output", str(path))[0] == ""
    text, _ = run(name, "--format", form)
    assert text.encode() == with_bytes.buffer.getvalue() == path.read_bytes()
    assert "netflix-de:ü" in text


@contextlib.contextmanager
def full():
    """A device that takes nothing."""
    with contextlib.suppress(OSError), open("/dev/full", "w") as device:  # noqa: PTH123
        yield device


@contextlib.contextmanager
def unread():
    """A pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    with contextlib.suppress(OSError), os.fdopen(writer, "w") as pipe:
        yield pipe


@pytest.mark.parametrize("broken", [full, unread])
@pytest.mark.parametrize("name", EVERYWHERE)
def test_output_that_fails_is_told_in_a_line(name, broken, good):
    with broken() as out:
        assert "cannot be written" in refusal(name, stdout=out)
    if name == "jay_create_api_key":
        assert ApiKey.objects.count() == 1


@pytest.mark.parametrize("name", [name for name in EVERYWHERE if name in WITH_DATABASE])
def test_progress_that_cannot_be_shown_stops_no_work(name, good):
    with full() as err:
        err.isatty = lambda: True
        call_command(name, *ARGUMENTS.get(name, []), stdout=io.StringIO(), stderr=err)


def test_a_full_disk_leaves_no_part_of_an_export(tmp_path, good):
    # What a disk has no room for, and what a process may not write, fail alike.
    import resource

    path = tmp_path / "export"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(CommandError, match="The export cannot be written"):
            run("jay_export_sessions", "--output", str(path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def refusing_to_commit(transactional_db):
    """Let each commit of a new key fail, after the insert itself went well."""
    if connection.vendor == "postgresql":
        make = [
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'not today'; END $$",
            "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON jay_api_key DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION refuse()",
        ]
        undo = ["DROP TRIGGER refuse ON jay_api_key", "DROP FUNCTION refuse()"]
    else:
        make = [
            "CREATE TABLE refused (id REFERENCES jay_zephr_session DEFERRABLE INITIALLY DEFERRED)",
            "CREATE TRIGGER refuse AFTER INSERT ON jay_api_key BEGIN INSERT INTO refused VALUES ('x'); END",
        ]
        undo = ["DROP TRIGGER refuse", "DROP TABLE refused"]
    with connection.cursor() as cursor:
        for statement in make:
            cursor.execute(statement)
    yield
    with connection.cursor() as cursor:
        for statement in undo:
            cursor.execute(statement)


def test_a_key_that_was_printed_and_could_not_be_stored_is_said_to_be_no_good(refusing_to_commit):
    out = io.StringIO()
    assert "The key that was printed is not valid." in refusal("jay_create_api_key", stdout=out)
    assert key_text.has_form(out.getvalue().strip())
    assert key_of(out.getvalue().strip()) is None


def test_a_name_that_no_database_takes_is_refused():
    with pytest.raises(CommandError, match="No API key can have this name"):
        call_command("jay_revoke_api_key", "a\udcff")
