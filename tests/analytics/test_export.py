"""Sessions as CSV and NDJSON, from the module and from its command."""

import csv
import datetime
import io
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from jay_sessions.analytics import export
from jay_sessions.analytics.export import Format
from jay_sessions.core.uuid7 import uuid7
from jay_sessions.exceptions import StoreUnavailable
from jay_sessions.models import ApiKey, LinkedZephrSession, TrackingSession

from ..conftest import sql_refused
from ..support.ends import end

pytestmark = pytest.mark.django_db

NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
ROOT = Path(__file__).parent.parent.parent


def row(number=0, **fields):
    started = NOON + number * datetime.timedelta(seconds=1)
    fields = {"playout_id": "netflix-de:1", "source": "here", **fields}
    return TrackingSession(session_id=uuid7(started, number), started_at=started, **fields)


def fill(count, **fields):
    TrackingSession.objects.bulk_create((row(number, **fields) for number in range(count)), batch_size=1000)


def exported(form=Format.CSV, rows=None):
    rows = TrackingSession.objects.all() if rows is None else rows
    return b"".join(block.data for block in export.blocks(rows, form)).decode()


def records(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def run(*arguments):
    """What the command writes to standard output."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    call_command("jay_export_sessions", *arguments, stdout=out, stderr=io.StringIO())
    return out.buffer.getvalue().decode()


def test_csv_has_a_header_a_line_a_session_and_times_in_utc(issue_key):
    issue_key("partner")
    key = ApiKey.objects.get()
    ended = row(1, provider_name="netflix", user_id="ada", api_key=key)
    ended.save()
    end(NOON + datetime.timedelta(hours=1), ended)
    row(0).save()
    newer, older = row(1).session_id, row(0).session_id
    assert exported() == (
        "session_id,started_at,ended_at,end_reason,playout_id,provider_name,user_id,source,api_key\r\n"
        f"{newer},2026-03-01T12:00:01.000000Z,2026-03-01T13:00:00.000000Z,client,netflix-de:1,netflix,ada,here,partner\r\n"
        f"{older},2026-03-01T12:00:00.000000Z,,,netflix-de:1,,,here,\r\n"
    )


def test_ndjson_has_the_same_as_objects_with_null_for_nothing():
    row(user_id="Jürgen 🎬").save()
    [line] = exported(Format.NDJSON).splitlines()
    assert json.loads(line) == {
        "session_id": str(row().session_id),
        "started_at": "2026-03-01T12:00:00.000000Z",
        "ended_at": None,
        "end_reason": None,
        "playout_id": "netflix-de:1",
        "provider_name": None,
        "user_id": "Jürgen 🎬",
        "source": "here",
        "api_key": None,
    }


def test_of_nothing_there_is_a_header_alone():
    assert records(exported()) == []
    assert exported().startswith("session_id,")
    assert exported(Format.NDJSON) == ""


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])  # noqa: RUF001
def test_no_cell_begins_as_a_formula(first):
    text = f"{first}HYPERLINK(1)"
    row(user_id=text).save()
    assert records(exported())[0]["user_id"] == f"'{text}"
    assert json.loads(exported(Format.NDJSON))["user_id"] == text


@pytest.mark.parametrize("text", ['a,"b"', "a;b", "a'b", " =1", "1-1", "\u2028", "a\r\nb"])
def test_whatever_else_is_in_a_text_comes_back_as_it_was(text):
    row(user_id=text).save()
    assert records(exported())[0]["user_id"] == text
    assert json.loads(exported(Format.NDJSON))["user_id"] == text


def test_a_site_that_links_sessions_exports_what_zephr_said(setting):
    keys = {"BASE_URL": "http://127.0.0.1:1", "ACCESS_KEY": "a", "SECRET_KEY": "s", "LINK_SESSIONS": True}
    setting(ZEPHR=keys)
    now = timezone.now()
    LinkedZephrSession.objects.create(
        pk="phone", claimed_at=now, fetched_at=now, device="mobile", country="DE"
    )
    row(1, zephr_session_id="phone").save()
    row(0, zephr_session_id="not fetched yet").save()
    phone, other = records(exported())
    assert (phone["zephr_device"], phone["zephr_country"], phone["zephr_os"]) == ("mobile", "DE", "")
    assert other["zephr_device"] == ""
    assert "phone" not in phone.values()


def test_each_session_stands_in_it_once_whatever_the_batches(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(export, "BATCH", 10)
    fill(25)
    with django_assert_num_queries(3):
        found = [record["session_id"] for record in records(exported())]
    assert found == [str(row(number).session_id) for number in reversed(range(25))]


def test_a_database_that_goes_away_is_told_and_not_taken_for_the_end(monkeypatch):
    monkeypatch.setattr(export, "BATCH", 10)
    fill(25)
    blocks = export.blocks(TrackingSession.objects.all(), Format.NDJSON)
    assert next(blocks).sessions == 10
    with sql_refused("jay_tracking_session"), pytest.raises(StoreUnavailable):
        next(blocks)


def peak(form):
    tracemalloc.start()
    try:
        count = sum(block.sessions for block in export.blocks(TrackingSession.objects.all(), form))
        return count, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("form", Format)
def test_memory_does_not_grow_with_the_sessions(form):
    fill(5000, user_id="somebody")
    few, before = peak(form)
    TrackingSession.objects.bulk_create(
        (row(number, user_id="somebody") for number in range(5000, 50_000)), batch_size=1000
    )
    many, after = peak(form)
    assert (few, many) == (5000, 50_000)
    assert after < before * 1.2


def test_the_command_writes_to_standard_output():
    fill(3)
    assert run() == exported()
    assert run("--format", "ndjson") == exported(Format.NDJSON)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--playout", "netflix-de:1"], {0}),
        (["--playout", "netflix-*"], {0, 1}),
        (["--playout", "netflix-*", "--user-id", "bob"], {1}),
        (["--user-id", "a*"], {0, 2}),
        (["--user-id", "*"], {0, 1, 2}),
        (["--provider", "zdf"], {2}),
        (["--source", "other"], {3}),
        (["--from", "2026-03-01T12:00:01Z", "--to", "2026-03-01T12:00:03+00:00"], {1, 2}),
        (["--playout", "NETFLIX*"], set()),
    ],
    ids=str,
)
def test_the_command_exports_what_its_options_name(arguments, expected):
    row(0, playout_id="netflix-de:1", user_id="ada").save()
    row(1, playout_id="netflix-at:1", user_id="bob").save()
    row(2, playout_id="zdf:1", provider_name="zdf", user_id="alf").save()
    row(3, playout_id="arte:1", source="other").save()
    found = [record["session_id"] for record in records(run(*arguments))]
    assert found == sorted((str(row(number).session_id) for number in expected), reverse=True)


def test_a_file_is_complete_private_and_replaces_the_one_before(tmp_path):
    fill(3)
    target = tmp_path / "sessions.csv"
    target.write_text("before")
    assert run("--output", str(target)) == ""
    assert target.read_bytes().decode() == exported()
    assert target.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "BATCH", 10)
    fill(25)
    target = tmp_path / "sessions.csv"
    target.write_text("before")
    with sql_refused('"session_id" <'), pytest.raises(CommandError, match="not complete"):
        run("--output", str(target))
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", [".", "absent/sessions.csv", "/dev/null"])
def test_what_cannot_be_a_file_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match=r"no ordinary file|cannot be written"):
        run("--output", name)


@pytest.mark.parametrize(
    "arguments",
    [["--playout", "a\0"], ["--user-id", "x" * 300], ["--from", "yesterday"], ["--format", "xls"]],
)
def test_an_option_that_makes_no_sense_is_refused(arguments):
    with pytest.raises(CommandError):
        run(*arguments)


def test_the_progress_is_shown_on_a_terminal():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    fill(3)
    err = Terminal()
    out = io.TextIOWrapper(io.BytesIO())
    call_command("jay_export_sessions", stdout=out, stderr=err)
    assert "100% 3 of 3" in err.getvalue()


@pytest.mark.once
def test_a_reader_that_has_enough_is_no_error_to_look_at(tmp_path):
    database = f"sqlite:///{tmp_path}/sessions.sqlite3"
    environment = {**os.environ, "DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, str(ROOT / "manage.py")]
    subprocess.run([*command, "migrate", "-v0"], env=environment, cwd=ROOT, check=True)
    code = "from tests.analytics.test_export import fill; fill(20000)"
    subprocess.run([*command, "shell", "-v0", "-c", code], env=environment, cwd=ROOT, check=True)
    with subprocess.Popen(
        [*command, "jay_export_sessions"],
        env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        process.stdout.readline()
        process.stdout.close()
        error = process.stderr.read()
    assert process.returncode == 1
    assert b"Traceback" not in error
    assert b"BrokenPipe" not in error
    assert error == b""
