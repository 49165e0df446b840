"""Sessions imported from files: what comes in, what is refused, and that the numbers are right afterwards."""

import csv
import datetime
import gzip
import io
import json
import subprocess
import sys
import threading
import tracemalloc
import uuid

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from jay_sessions import sessions
from jay_sessions.admin.changelist.export import INCOMPLETE
from jay_sessions.analytics import export, rollups, statistics
from jay_sessions.analytics.imports import importing
from jay_sessions.core import user_ids
from jay_sessions.core.uuid7 import moment_of, uuid7
from jay_sessions.exceptions import NoSession
from jay_sessions.models import ApiKey, EndedSession, TrackingSession
from jay_sessions.models.rollups import DailyCount, LateSession
from jay_sessions.store import ended

from ..conftest import sql_refused, until
from ..models.test_other_ids import put
from ..support.ends import end, forget_sessions
from ..support.servers import ROOT, example_site, manage
from .test_rollups import DAY, HOUR, NOON, TODAY, assert_right, run, store

pytestmark = pytest.mark.django_db(transaction=True)

SECOND = datetime.timedelta(seconds=1)


@pytest.fixture(autouse=True)
def now(time_machine):
    def move(moment=NOON + 10 * HOUR):
        time_machine.move_to(moment, tick=False)

    move()
    return move


def brought(*files, stdin=None, **options):
    """What the command says on standard output; what it says on standard error goes there."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("jay_import_sessions", *map(str, files), stdout=out, stderr=err, **options)
    finally:
        sys.stderr.write(err.getvalue())
    return out.getvalue()


def refused(capsys, *files, **options):
    """What the command says is wrong, line by line; nothing may be imported."""
    before = TrackingSession.objects.count()
    with pytest.raises(CommandError) as error:
        brought(*files, **options)
    assert "Nothing is imported." in str(error.value)
    assert TrackingSession.objects.count() == before
    return capsys.readouterr().err.strip().splitlines()


def line(moment=NOON, **values):
    return {"started_at": moment.isoformat(), "playout_id": "netflix:1", "source": "here", **values}


def as_ndjson(path, lines):
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def as_csv(path, lines):
    names = list(dict.fromkeys(name for line in lines for name in line))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(lines)
    return path


WRITERS = {"csv": as_csv, "ndjson": as_ndjson}


def everything():
    names = [field.attname for field in TrackingSession._meta.fields]
    rows = TrackingSession.objects.order_by("session_id")
    return list(rows.values(*names, "end__ended_at", "end__reason"))


def exported(path, form, *options):
    call_command(
        "jay_export_sessions", "--format", form, "--output", str(path), *options, stderr=io.StringIO()
    )
    return path


@pytest.mark.parametrize("is_compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_what_is_exported_comes_back_as_it_was(form, is_compressed, tmp_path, issue_key):
    issue_key("partner")
    key = ApiKey.objects.get()
    texts = ["=1+1", "'=1", "''@x", "'", "a,b", 'a"b', " padded", "Jürgen 🎬", "-", "＋1", None]  # noqa: RUF001
    for number, text in enumerate(texts):
        row = TrackingSession.objects.create(
            session_id=uuid7(NOON + number * SECOND, number),
            started_at=NOON + number * SECOND,
            playout_id=text or "netflix:1",
            provider_name=text,
            user_id=text and text.strip(),
            source=text or "here",
            api_key=key if number % 3 else None,
        )
        end(NOON + HOUR if number % 2 else None, row)
    before = everything()
    path = exported(tmp_path / f"sessions.{form}", form)
    if is_compressed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    forget_sessions()
    assert brought(path).startswith("Sessions: 11 imported, 0 already there.")
    assert everything() == before
    assert brought(path) == "Sessions: 0 imported, 11 already there.\n"
    assert everything() == before


def test_what_the_admin_exports_comes_back_as_it_was(tmp_path, admin_client):
    store(user="ada", ended=HOUR)
    before = everything()
    url = "/admin/jay_sessions/trackingsession/export/"
    path = tmp_path / "downloaded"
    path.write_bytes(admin_client.post(url, {"format": "csv"}).getvalue())
    forget_sessions()
    brought(path)
    assert everything() == before


def test_what_was_exported_of_a_user_comes_back_with_its_links(tmp_path):
    store(user="ada")
    TrackingSession.objects.update(zephr_session_id="phone")
    before = everything()
    path = tmp_path / "user.ndjson"
    call_command("jay_export_user", "ada", "--output", str(path), stderr=io.StringIO())
    forget_sessions()
    brought(path)
    assert everything() == before


@pytest.mark.once
def test_standard_input_is_read_whatever_it_is(tmp_path):
    environment = example_site(f"sqlite:///{tmp_path / 'db'}")
    manage(environment, "migrate", "--verbosity", "0")
    command = [sys.executable, str(ROOT / "manage.py"), "jay_import_sessions"]
    for data in (
        as_csv(tmp_path / "a", [line()]).read_bytes(),
        as_ndjson(tmp_path / "b", [line()]).read_bytes(),
    ):
        for given in (data, gzip.compress(data)):
            done = subprocess.run(
                [*command, "-"], input=given, env=environment, capture_output=True, check=False
            )
            assert done.returncode == 0, done.stderr
    assert done.stdout == b"Sessions: 0 imported, 1 already there.\n"


def test_standard_input_may_be_a_stream_of_texts_or_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(line(user_id="Jürgen"))))
    assert brought("-").startswith("Sessions: 1 imported")
    assert TrackingSession.objects.get().user_id == "Jürgen"
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(CommandError, match=r"A file cannot be read: .*standard input is closed"):
        brought("-")


def test_what_a_line_does_not_tell_is_as_for_a_new_session(tmp_path, setting):
    setting(SOURCE="the site")
    brought(as_ndjson(tmp_path / "a", [{"started_at": NOON.isoformat(), "playout_id": "zdf:1"}]))
    session = TrackingSession.objects.get()
    assert (session.provider_name, session.source, session.user_id, session.ended_at) == (
        "zdf",
        "the site",
        None,
        None,
    )
    assert moment_of(session.session_id) == session.started_at == NOON


@pytest.mark.parametrize("form", WRITERS)
def test_lines_without_ids_are_sessions_of_their_own_each_once(form, tmp_path):
    alike = [line(user_id="ada"), line(user_id="bob"), line(), line()]
    lines = [*alike, line(NOON + SECOND), *alike, line(playout_id="zdf:1")]
    path = WRITERS[form](tmp_path / "old", lines)
    assert brought(path).startswith("Sessions: 10 imported, 0 already there.")
    first = everything()
    assert brought(path) == "Sessions: 0 imported, 10 already there.\n"
    forget_sessions()
    brought(path)
    assert everything() == first
    assert sorted(str(row["user_id"]) for row in first) == ["None"] * 6 + ["ada"] * 2 + ["bob"] * 2


def test_an_id_that_is_made_does_not_give_the_user_away(tmp_path):
    brought(as_ndjson(tmp_path / "a", [line(user_id="ada")]))
    with_user = TrackingSession.objects.get().session_id
    forget_sessions()
    brought(as_ndjson(tmp_path / "a", [line(user_id="somebody else")]))
    assert TrackingSession.objects.get().session_id == with_user


def test_an_id_without_the_start_is_refused_or_replaced_by_the_same_one_each_time(tmp_path, capsys):
    lines = [line(session_id=str(uuid.UUID(int=5, version=4))), line(session_id=str(uuid7(NOON - DAY, 1)))]
    path = as_ndjson(tmp_path / "old.ndjson", lines)
    first, second = refused(capsys, path)
    assert first.startswith(
        f"{path}:1: session_id: The id is not of version 7. With --new-ids a new id replaces it"
    )
    assert "2: session_id: The id contains 2025-10-23T12:00:00.000+00:00, which is not started_at" in second
    assert brought(path, new_ids=True).startswith("Sessions: 2 imported")
    assert brought(path, new_ids=True) == "Sessions: 0 imported, 2 already there.\n"
    assert all(moment_of(row["session_id"]) == NOON for row in everything())


WRONG = [
    ({"started_at": None}, "started_at: Is missing."),
    ({"playout_id": None}, "playout_id: Is missing."),
    ({"started_at": "yesterday"}, "started_at: Should be a date and time in ISO 8601."),
    ({"started_at": "2025-10-24T12:00:00"}, "started_at: Should have an offset, such as Z or +01:00."),
    ({"started_at": "1969-12-31T23:59:59Z"}, "started_at: Should be neither before 1970 nor in the future."),
    ({"started_at": "2025-10-25T12:00:00Z"}, "started_at: Should be neither before 1970 nor in the future."),
    ({"started_at": "0001-01-01T00:00:00+14:00"}, "started_at: Should be neither"),
    ({"ended_at": "2025-10-24T11:59:58Z"}, "ended_at: Should not be before started_at."),
    ({"ended_at": "9999-12-31T23:59:59-14:00"}, "ended_at: Should be neither"),
    ({"playout_id": "x" * 256}, "playout_id: String should have at most 255 characters."),
    ({"playout_id": "a\0"}, "playout_id: String should not contain control characters."),
    ({"user_id": "x" * 256}, "user_id: String should have at most 255 characters."),
    ({"provider_name": "a\x7f"}, "provider_name: String should not contain control characters."),
    ({"source": "x" * 256}, "source: String should have at most 255 characters."),
    ({"session_id": "5"}, "session_id: Should be a UUID."),
    ({"zephr_session_id": ".."}, "zephr_session_id: String should not be a dot segment."),
]


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize(("values", "said"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_value_is_named_by_its_line_and_column(form, values, said, tmp_path, capsys):
    good = line(NOON - SECOND, ended_at=None, user_id=None, session_id=None, provider_name=None)
    path = WRITERS[form](tmp_path / "old", [good, good | values, good])
    [found] = refused(capsys, path)
    number = 3 if form == "csv" else 2
    assert found.startswith(f"{path}:{number}: {said}")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", b"", "a.csv:1: The header lacks started_at and playout_id."),
        ("a.csv", b"started_at\n", "The header lacks playout_id."),
        ("a.csv", b"started_at,playout_id,playout_id\n", "a column twice"),
        ("a.csv", b"started_at,playout_id,userid\n", "Has unknown columns: 'userid'."),
        ("a.csv", b"started_at;playout_id\n", "a.csv:1: Columns should be separated by commas."),
        ("a.csv", b"started_at\tplayout_id\n", "a.csv:1: Columns should be separated by commas."),
        ("a.csv", b"started_at,playout_id\na\n", "a.csv:2: Has 1 cells, but the header has 2."),
        ("a.csv", b'started_at,playout_id\n2025-10-24T12:00Z,"a\n' + b"x\n" * 70_000, "a.csv:2: Is not CSV"),
        ("a.csv", b'started_at,playout_id\n2025-10-24T12:00Z,"a" b\n', "a.csv:2: Is not CSV"),
        ("a.csv", b"started_at,playout_id\n2025-10-24T12:00Z,\xff\n", "String should be valid Unicode."),
        ("a.csv", b"x" * 70_000, "a.csv:1: The line has more than 65,536 bytes."),
        ("a.csv", b"started_at,playout_id\r\n" + INCOMPLETE, "a.csv:3: The export stopped here"),
        ("a.ndjson", b"[]\n", "a.ndjson:1: Is not a JSON object."),
        ("a.ndjson", b"{}x\n", "a.ndjson:1: Is not JSON."),
        ("a.ndjson", b"[" * 60_000, "a.ndjson:1: Is not JSON."),
        ("a.ndjson", b'{"started_at": 5}', "a.ndjson:1: started_at: Should be a string or null."),
        ("a.ndjson", b'{"userid": "5"}', "Has unknown columns: 'userid'."),
        ("a.ndjson", b'{"started_at": NaN}', "a.ndjson:1: Is not JSON."),
        ("a.ndjson", b'{"started_at":"2025-10-24T12:00Z","playout_id":"\\ud800"}', "be valid Unicode."),
        ("a.csv", gzip.compress(b"started_at,playout_id\n" + b"\n" * 9000, mtime=0)[:-9], "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_no_export_is_named(name, text, said, tmp_path, capsys):
    path = tmp_path / name
    path.write_bytes(text)
    found = refused(capsys, path)
    assert said in found[-1]


def test_of_many_faults_the_first_are_named_and_the_others_counted(tmp_path, capsys):
    path = as_ndjson(tmp_path / "old", [line(), *[line(source="x" * 256)] * 3000])
    with pytest.raises(CommandError, match=r"3,000 errors; the first 20 are shown above\. Nothing is"):
        brought(path)
    assert len(capsys.readouterr().err.strip().splitlines()) == 20
    assert not TrackingSession.objects.exists()


def test_with_a_wrong_line_in_one_file_none_is_imported(tmp_path, capsys):
    good, wrong = as_ndjson(tmp_path / "a", [line()]), as_ndjson(tmp_path / "b", [line(source="\0")])
    assert len(refused(capsys, good, wrong)) == 1
    assert brought(good, good).startswith("Sessions: 1 imported, 1 already there.")


def test_a_dry_run_imports_nothing(tmp_path):
    path = as_ndjson(tmp_path / "a", [line()])
    said = brought(path, dry_run=True)
    assert said == "Nothing is wrong. Without --dry-run: Sessions: 1 imported, 0 already there.\n"
    assert not TrackingSession.objects.exists()
    assert not LateSession.objects.exists()


@pytest.mark.parametrize("names", [["absent.csv"], ["."]])
def test_a_file_that_cannot_be_read_is_told(names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match="A file cannot be read"):
        brought(*names)


@pytest.mark.parametrize("length", [2, 9, 15])
def test_a_compressed_file_that_was_cut_off_is_told_though_its_name_says_no_format(length, tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"started_at,playout_id\n", mtime=0)[:length])
    with pytest.raises(CommandError, match=r"A file cannot be read: .*a\.gz: "):
        brought(path)


def test_a_database_that_goes_away_is_told_with_how_far_it_came(tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "BATCH", 10)
    path = as_ndjson(tmp_path / "a", [line(NOON - number * SECOND) for number in range(25)])
    stored = importing._store
    calls = []

    def store_once(*args):
        calls.append(1)
        if len(calls) > 1:
            with sql_refused("jay_tracking_session"):
                return stored(*args)
        return stored(*args)

    with monkeypatch.context() as away:
        away.setattr(importing, "_store", store_once)
        with pytest.raises(
            CommandError, match=r"Sessions: 10 imported, 0 already there\. The next run goes on"
        ):
            brought(path)
    assert TrackingSession.objects.count() == 10
    assert brought(path).startswith("Sessions: 15 imported, 10 already there.")


def test_a_batch_and_the_notes_of_its_days_are_there_together_or_not_at_all(tmp_path):
    path = as_ndjson(tmp_path / "a", [line()])
    with sql_refused("jay_late_session"), pytest.raises(CommandError):
        brought(path)
    assert not TrackingSession.objects.exists()


def test_the_key_is_found_by_its_name_unless_several_have_it(tmp_path, issue_key):
    for name in ("partner", "twice", "twice"):
        issue_key(name)
    names = ["partner", "twice", "gone", None]
    lines = [line(NOON + number * SECOND, api_key=name) for number, name in enumerate(names)]
    assert "2 without their API key, which is not here" in brought(as_ndjson(tmp_path / "a", lines))
    found = TrackingSession.objects.order_by("session_id").values_list("api_key__name", flat=True)
    assert list(found) == ["partner", None, None, None]


@pytest.mark.parametrize("days", [1, 8, 40, 400])
def test_the_numbers_are_right_after_a_run_of_the_rollups(days, tmp_path):
    for back in (0, 2, 5, 30):
        store(NOON - back * DAY)
        store(NOON - back * DAY, playout="netflix:2", user="bob")
    run()
    lines = [
        line(NOON - days * DAY, user_id="ada"),
        line(NOON - days * DAY + HOUR, user_id="ada", playout_id="netflix:2", ended_at=NOON.isoformat()),
        line(NOON - (days // 2) * DAY, user_id="bob", provider_name="netflix"),
        line(NOON - (days // 2) * DAY + HOUR, user_id=None, playout_id="zdf:1"),
        line(NOON, user_id="carol", provider_name="netflix"),
    ]
    path = as_ndjson(tmp_path / "old", lines)
    assert brought(path).endswith("Run jay_rollup_sessions to count them.\n")
    run()
    assert not LateSession.objects.exists()
    for first in (TODAY - 400 * DAY, TODAY - 40 * DAY, TODAY - 6 * DAY):
        assert_right(first, first + 8 * DAY)
    assert_right(TODAY - 35 * DAY, TODAY + DAY)
    kept = numbers_of_the_statistics()
    TrackingSession.objects.update(source="here")
    clear_rollups()
    assert numbers_of_the_statistics() == kept


def numbers_of_the_statistics():
    from jay_sessions.analytics import timeseries
    from jay_sessions.analytics.buckets import Interval

    return [
        timeseries.timeseries(playout, NOON - 410 * DAY, NOON + 10 * HOUR, interval, datetime.UTC)
        for playout in ("netflix:1", "netflix:2", "zdf:1")
        for interval in [Interval.DAY, Interval.HOUR]
    ]


def clear_rollups():
    from jay_sessions.models.rollups import PlayoutWindows, RollupState

    for model in (DailyCount, PlayoutWindows, LateSession, RollupState):
        model.objects.all().delete()


@pytest.mark.parametrize("counted", [1, 2, 3])
def test_a_run_of_the_rollups_that_is_cut_off_is_gone_on_with(counted, tmp_path, monkeypatch):
    for back in (0, 20, 21, 22, 30):
        store(NOON - back * DAY)
    run()
    days = (25, 24, 23, 19)
    brought(as_ndjson(tmp_path / "old", [line(NOON - day * DAY, user_id="ada") for day in days]))
    monkeypatch.setattr(rollups, "_BATCH", 1)
    steps = rollups.run()
    for _ in range(counted):
        next(steps)
    steps.close()
    run()
    assert_right(TODAY - 31 * DAY, TODAY + DAY)


def test_sessions_of_a_day_of_which_some_are_gone_and_of_earlier_ones_are_refused(tmp_path, capsys):
    for back in (0, 9, 9, 10):
        store(NOON - back * DAY)
    run()
    TrackingSession.objects.filter(started_at__lt=NOON - 8 * DAY).order_by("pk").last().delete()
    before = statistics.by_day(statistics.Filters(), TODAY - 20 * DAY, TODAY + DAY)
    path = as_ndjson(tmp_path / "a", [line(NOON - 9 * DAY), line(NOON - 10 * DAY), line(NOON - 99 * DAY)])
    for number, found in enumerate(refused(capsys, path), start=1):
        assert f"{path}:{number}: started_at: Counted sessions of 2025-10-15 are deleted" in found
    run(rebuild=True)
    assert statistics.by_day(statistics.Filters(), TODAY - 20 * DAY, TODAY + DAY) == before
    brought(as_ndjson(path, [line(NOON - 8 * DAY, user_id="carol"), line(NOON - DAY, user_id="ada")]))
    run()
    total = statistics.total(statistics.Filters(), TODAY - 20 * DAY, TODAY + DAY)
    assert (total.sessions, total.users, total.new_users) == (6, 2, 2)


def test_what_would_be_purged_is_refused_and_comes_in_before_there_is_a_retention(tmp_path, capsys, setting):
    path = as_ndjson(tmp_path / "a", [line(NOON - 12 * DAY), line(NOON - 8 * DAY)])
    store(NOON)
    run()
    setting(RETENTION=10 * DAY, SESSION_LIFETIME=DAY)
    [found] = refused(capsys, path)
    assert "a:1: started_at: Is so old that RETENTION would purge it" in found
    setting(RETENTION=None)
    brought(path)
    setting(RETENTION=10 * DAY)
    call_command("jay_purge_sessions", stdout=io.StringIO(), stderr=io.StringIO())
    assert TrackingSession.objects.count() == 2
    assert [m.sessions for m in statistics.by_day(statistics.Filters(), TODAY - 12 * DAY, TODAY + DAY)] == [
        *(1, 0, 0, 0, 1),
        *(0, 0, 0, 0, 0, 0, 0, 1),
    ]


def test_what_is_there_is_not_refused_as_too_old(tmp_path, setting):
    session = store(NOON - 9.5 * DAY)
    setting(RETENTION=10 * DAY, SESSION_LIFETIME=DAY)
    values = {"session_id": str(session.pk), "ended_at": (NOON - 9.5 * DAY + HOUR).isoformat()}
    path = as_ndjson(tmp_path / "a", [line(NOON - 9.5 * DAY, **values)])
    assert brought(path) == "Sessions: 0 imported, 1 already there, 1 already there and now ended.\n"


def test_sessions_before_days_that_are_gone_are_refused_as_nobody_can_tell_who_is_new(
    tmp_path, setting, capsys
):
    for back in (30, 12, 3, 0):
        store(NOON - back * DAY, user="ada")
    run()
    setting(RETENTION=10 * DAY, SESSION_LIFETIME=DAY)
    call_command("jay_purge_sessions", stdout=io.StringIO(), stderr=io.StringIO())
    setting(RETENTION=None)
    path = as_ndjson(tmp_path / "a", [line(NOON - 40 * DAY), line(NOON - 20 * DAY), line(NOON - 4 * DAY)])
    found = refused(capsys, path)
    assert [text.split(": ")[0] for text in found] == [f"{path}:1", f"{path}:2"]
    assert "Counted sessions of 2025-10-12 are deleted" in found[1]


def test_who_was_there_before_a_purge_is_not_new_because_of_an_import(tmp_path, setting):
    for back in (30, 12, 3, 0):
        store(NOON - back * DAY, user="ada")
    store(NOON - 3 * DAY, user="bob")
    run()
    setting(RETENTION=10 * DAY, SESSION_LIFETIME=DAY)
    call_command("jay_purge_sessions", stdout=io.StringIO(), stderr=io.StringIO())
    assert TrackingSession.objects.count() == 3
    brought(as_ndjson(tmp_path / "a", [line(NOON - 5 * DAY, user_id="carol")]))
    run()
    filters = statistics.Filters()
    month, week = (statistics.total(filters, TODAY - days * DAY, TODAY + DAY) for days in (31, 7))
    assert (month.users, month.new_users) == (3, 3)
    assert (week.users, week.new_users) == (3, 2)


def test_an_imported_session_that_was_ended_is_valid_in_no_process(tmp_path, setting, api):
    setting(SESSION_LIFETIME=DAY, END_PROPAGATION=5)
    token = sessions.start("netflix:1").encoded
    path = exported(tmp_path / "a.ndjson", "ndjson")
    [session] = (json.loads(text) for text in path.read_text().splitlines())
    as_ndjson(path, [session | {"ended_at": (NOON + 10 * HOUR).isoformat()}])
    for is_gone in (False, True):
        if is_gone:
            forget_sessions()
        else:
            assert sessions.read([token])
        brought(path)
        assert EndedSession.objects.filter(session_id=session["session_id"]).exists()
        with pytest.raises(NoSession):
            sessions.read([token])
        setting(END_PROPAGATION=0)
        assert ended.is_ended(session["session_id"])
        setting(END_PROPAGATION=5)


def test_another_process_learns_of_an_imported_end(tmp_path, setting):
    setting(SESSION_LIFETIME=DAY, END_PROPAGATION=5)
    from jay_sessions.store.ended_ids import EndedIds

    session = store(NOON + 9 * HOUR)
    elsewhere = EndedIds(connection.alias)
    assert not elsewhere.has(str(session.pk))
    brought(
        as_ndjson(
            tmp_path / "a", [line(NOON + 9 * HOUR, session_id=str(session.pk), ended_at="2025-10-24T21:30Z")]
        )
    )
    elsewhere._known_at -= 60
    assert elsewhere.has(str(session.pk))


@pytest.mark.parametrize("is_known", [False, True])
def test_of_lines_of_one_session_any_ends_it(is_known, tmp_path):
    values = {"session_id": str(uuid7(NOON, 5))}
    ended_at = (NOON + HOUR).isoformat()
    if is_known:
        brought(as_ndjson(tmp_path / "a", [line(**values)]))
    brought(as_ndjson(tmp_path / "b", [line(**values), line(**values, ended_at=ended_at), line(**values)]))
    assert TrackingSession.objects.get().ended_at == NOON + HOUR


def test_an_end_of_a_day_that_was_counted_is_counted(tmp_path):
    session = store(NOON - 20 * DAY)
    run()
    path = as_ndjson(
        tmp_path / "a",
        [line(NOON - 20 * DAY, session_id=str(session.pk), ended_at=(NOON - 20 * DAY + HOUR).isoformat())],
    )
    assert brought(path) == "Sessions: 0 imported, 1 already there, 1 already there and now ended.\n"
    run()
    assert statistics.total(statistics.Filters(), TODAY - 21 * DAY, TODAY).ended == 1
    assert brought(path) == "Sessions: 0 imported, 1 already there.\n"


KEY, OLD_KEY = "the secret of this year, 32 characters", "the secret of last year, 32 characters"
HASHED = user_ids.hashed("ada", user_ids.hashing_key(KEY))


@pytest.mark.parametrize(
    ("storage", "given", "expected"),
    [
        ("plain", "ada", "ada"),
        ("plain", HASHED, HASHED),
        ("plain", "hashed:ada", "hashed:ada"),
        ("hashed", "ada", HASHED),
        ("hashed", HASHED, HASHED),
        ("none", "ada", None),
        ("none", HASHED, None),
    ],
)
def test_a_user_id_is_stored_as_that_of_a_new_session_and_none_is_hashed_twice(
    storage, given, expected, tmp_path, setting
):
    setting(USER_ID_STORAGE=storage, USER_ID_KEYS=[KEY])
    brought(as_ndjson(tmp_path / "a", [line(user_id=given)]))
    assert TrackingSession.objects.get().user_id == expected


@pytest.mark.parametrize("given", ["hashed:", "hashed:ada", HASHED + "A", HASHED[:-1] + "z"])
def test_a_user_id_of_which_nobody_can_tell_whether_it_is_hashed_is_refused(given, tmp_path, setting, capsys):
    setting(USER_ID_STORAGE="hashed", USER_ID_KEYS=[KEY])
    [found] = refused(capsys, as_ndjson(tmp_path / "a", [line(user_id=given)]))
    assert "1: user_id: Begins with hashed: but is not a hashed id." in found


def test_two_imports_of_the_same_sessions_do_not_wait_for_each_other(tmp_path):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time.")
    moments = [NOON + number * SECOND for number in range(9)]
    lines = [line(moment, session_id=str(uuid7(moment, 5))) for moment in moments]
    paths = [as_ndjson(tmp_path / "a", lines), as_ndjson(tmp_path / "b", reversed(lines))]
    waiting = (
        "SELECT COUNT(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    said = []

    def work(path):
        try:
            said.append(brought(path))
        except CommandError as error:
            said.append(str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[path]) for path in paths]
    with transaction.atomic():
        # Each of them comes as far as this one, if they come from two sides.
        TrackingSession.objects.create(
            session_id=uuid7(moments[4], 5), started_at=moments[4], playout_id="netflix:1", source="here"
        )
        for thread in threads:
            thread.start()
        with connection.cursor() as cursor:

            def both_wait():
                cursor.execute("SELECT pg_stat_clear_snapshot()")
                cursor.execute(waiting)
                return cursor.fetchone() == (2,)

            until(both_wait)
        transaction.set_rollback(True)
    for thread in threads:
        thread.join()
    assert all(text.startswith("Sessions: ") for text in said), said
    assert TrackingSession.objects.count() == 9


def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "BATCH", 100)

    def peak(count):
        path = as_ndjson(tmp_path / f"{count}", (line(NOON - number * SECOND) for number in range(count)))
        tracemalloc.start()
        try:
            brought(path)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(200)  # what is made once
    few = peak(400)
    many = peak(2000)
    assert TrackingSession.objects.count() == 2000
    assert many < few * 2


def test_the_progress_is_shown_on_a_terminal(tmp_path):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    err = Terminal()
    path = as_ndjson(tmp_path / "a", [line(NOON - number * SECOND) for number in range(2500)])
    call_command("jay_import_sessions", str(path), stdout=io.StringIO(), stderr=err)
    assert "100% 2,500 of 2,500" in err.getvalue()


def test_another_session_with_a_wrong_id_beside_it_is_no_hindrance(tmp_path):
    put([TrackingSession(session_id=uuid.uuid4(), started_at=NOON, playout_id="zdf:1", source="here")])
    path = exported(tmp_path / "a.csv", "csv")
    with pytest.raises(CommandError, match="1 error"):
        brought(path)
    forget_sessions()
    assert brought(path, new_ids=True).startswith("Sessions: 1 imported")


def test_no_column_of_an_export_is_unknown_to_an_import(tmp_path):
    session = dict.fromkeys(export.ALL_COLUMNS) | line()
    assert brought(as_csv(tmp_path / "a.csv", [session])).startswith("Sessions: 1 imported")
