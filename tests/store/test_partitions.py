"""Partitioned tables: made, filled, kept ahead, and dropped, beside sessions that start and end."""

import asyncio
import contextlib
import datetime
import io
import json
import threading
import uuid

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, connections, models
from django.test.utils import CaptureQueriesContext
from health_check.exceptions import ServiceUnavailable

from jay_sessions import health, retention, sessions
from jay_sessions.analytics import listing, recent, rollups
from jay_sessions.core.uuid7 import LATEST, first_id, uuid7
from jay_sessions.database import connections as shared
from jay_sessions.database import short_locks, snapshots
from jay_sessions.database.errors import translating_errors
from jay_sessions.exceptions import StoreBusy, StoreLacksPartition
from jay_sessions.models import EndedSession, LinkedZephrSession, TrackingSession
from jay_sessions.store import group, partitioning, partitions, statements
from jay_sessions.store.statements import Row

from ..conftest import PATH, PLAYOUT, error_of, token_of, until
from ..support.partitioned import plain_again

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="Only PostgreSQL has partitions."),
]

NOON = datetime.datetime(2026, 3, 10, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
LIST = "/admin/jay_sessions/trackingsession/"


@pytest.fixture(autouse=True)
def _at_noon(time_machine, setting, monkeypatch):
    time_machine.move_to(NOON, tick=False)
    setting(PARTITIONS="month")
    monkeypatch.setattr(short_locks, "TRIES", 2)
    monkeypatch.setattr(short_locks, "PAUSE", 0)
    monkeypatch.setitem(short_locks._LIMITS, "lock_timeout", "300ms")
    yield
    plain_again()


@pytest.fixture
def tables():
    run("jay_partition_sessions")


def run(*arguments):
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue().strip()


def sql(text, *values):
    with connection.cursor() as cursor:
        cursor.execute(text, values or None)
        return cursor.fetchall() if cursor.description else []


def store(moment, **fields):
    fields = {"playout_id": PLAYOUT, "source": "here", **fields}
    made = TrackingSession(session_id=uuid7(moment, uuid.uuid4().int >> 66), started_at=moment, **fields)
    made.save(force_insert=True)
    return made


def row(moment):
    pk = uuid7(moment, uuid.uuid4().int >> 66)
    return Row(str(pk), PLAYOUT, None, None, "here", moment, None, None)


def bounds(name="jay_tracking_session"):
    """The ends of the partitions, oldest first; none may be missing in between."""
    [table] = [table for table in partitions.tables("default") if table.name == name]
    assert table.is_partitioned
    assert not any(one.is_leaving for one in table.partitions)
    begins = [one.begin for one in table.partitions]
    ends = [one.end for one in table.partitions]
    assert begins == [None, *ends[:-1]]
    return [one.name.rpartition("_")[2] for one in table.partitions]


def indexes():
    """The indexes and constraints of the tables themselves, without their partitions."""
    return sql(
        "SELECT pg_class.relname, contype, indisunique, pg_get_expr(indpred, indrelid), indkey::text "
        "FROM pg_index JOIN pg_class ON oid = indexrelid LEFT JOIN pg_constraint ON conindid = indexrelid "
        "WHERE indrelid IN ('jay_tracking_session'::regclass, 'jay_ended_session'::regclass) ORDER BY 1"
    )


@contextlib.contextmanager
def another_transaction(statement):
    """Another connection that has run the statement in a transaction, and leaves it open."""
    other = connections.create_connection("default")
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute(statement)
            yield cursor
    finally:
        other.rollback()
        other.close()


@contextlib.contextmanager
def sessions_that_start(problems):
    """Start and end sessions in another thread, until the block ends."""
    ended, started = threading.Event(), []

    def go_on():
        try:
            while not ended.is_set():
                token = sessions.start(PLAYOUT)
                started.append(token.token.session_id)
                sessions.end([token.encoded])
        except Exception as error:  # noqa: BLE001 (the test shows it)
            problems.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        until(lambda: len(started) > 2 or problems)
        yield started
        count = len(started)
        until(lambda: len(started) > count + 2 or problems)
    finally:
        ended.set()
        thread.join(30)


# Made


def test_empty_tables_become_partitioned_with_the_same_indexes():
    before = indexes()
    assert run("jay_partition_sessions") == "2 tables partitioned; 3 partitions made, 0 dropped."
    assert bounds() == bounds("jay_ended_session") == ["20260401", "20260501", "20260601", "20260701"]
    assert indexes() == before
    # Each partition has them all.
    counts = sql("SELECT count(*) FROM pg_index JOIN pg_inherits ON inhrelid = indrelid GROUP BY indrelid")
    assert sorted(count for (count,) in counts) == [3] * 4 + [5] * 4
    assert run("jay_partition_sessions") == "0 partitions made, 0 dropped."
    started = sessions.start(PLAYOUT, "ada")
    assert sessions.end([started.encoded]) == 1
    assert TrackingSession.objects.get().ended_at == NOON


def test_no_migration_is_missing_and_those_to_come_work(tables):
    call_command("makemigrations", "--check", verbosity=0)
    run("check", "--database", "default", "--fail-level", "WARNING")
    longer = models.CharField(max_length=300)
    longer.set_attributes_from_name("source")
    field = TrackingSession._meta.get_field("source")
    index = models.Index(fields=["started_at"], name="jay_session_new")
    [old] = [index for index in TrackingSession._meta.indexes if index.name == "jay_session_playout"]
    with connection.schema_editor() as editor:
        editor.alter_field(TrackingSession, field, longer)
        editor.add_index(TrackingSession, index)
        editor.remove_index(TrackingSession, old)
    store(NOON, source="x" * 299)
    store(NOON + 40 * DAY, source="x" * 299)
    names = {name for name, *_ in sql("SELECT relname FROM pg_class WHERE relkind = 'I'")}
    assert "jay_session_new" in names
    assert "jay_session_playout" not in names


def test_migrations_go_back_to_nothing_and_forth_again(tables):
    store(NOON)
    call_command("migrate", "jay_sessions", "zero", verbosity=0)
    assert sql("SELECT relname FROM pg_class WHERE relname ~ '^jay_'") == []
    call_command("migrate", "jay_sessions", verbosity=0)
    assert not any(table.is_partitioned for table in partitions.tables("default"))
    run("jay_partition_sessions")
    store(NOON)


def test_a_table_with_rows_is_attached_when_asked():
    old, new = store(NOON - 1000 * DAY), store(NOON, user_id="ada")
    EndedSession.objects.store([EndedSession(session_id=new.pk, ended_at=NOON, reason="client")])
    with pytest.raises(CommandError, match=r"jay_tracking_session has rows\. Run: .* --attach"):
        run("jay_partition_sessions")
    before = indexes()
    problems = []
    with sessions_that_start(problems) as started:
        found = run("jay_partition_sessions", "--attach")
    assert found == "2 tables partitioned; 3 partitions made, 0 dropped."
    assert problems == []
    assert indexes() == before
    assert bounds() == bounds("jay_ended_session")
    stored = set(TrackingSession.objects.values_list("pk", flat=True))
    assert stored == {old.pk, new.pk, *map(uuid.UUID, started)}
    assert EndedSession.objects.count() == len(started) + 1
    assert sql("SELECT conname FROM pg_constraint WHERE conname = 'jay_session_range'") == []


def test_the_first_partition_ends_a_day_ahead_or_later(time_machine):
    time_machine.move_to(datetime.datetime(2026, 3, 31, 23, 59, tzinfo=datetime.UTC), tick=False)
    run("jay_partition_sessions")
    assert bounds() == ["20260501", "20260601", "20260701"]


def test_owner_and_rights_stay():
    sql("CREATE ROLE jay_clerk")
    try:
        sql("GRANT SELECT, INSERT ON jay_tracking_session TO jay_clerk")
        sql("GRANT UPDATE (user_id) ON jay_tracking_session TO jay_clerk WITH GRANT OPTION")
        sql("ALTER TABLE jay_ended_session OWNER TO jay_clerk")
        run("jay_partition_sessions")
        found = sql(
            "SELECT privilege_type FROM information_schema.role_table_grants "
            "WHERE table_name = 'jay_tracking_session' AND grantee = 'jay_clerk' ORDER BY 1"
        )
        assert found == [("INSERT",), ("SELECT",)]
        found = sql(
            "SELECT privilege_type, column_name, is_grantable FROM information_schema.column_privileges "
            "WHERE grantee = 'jay_clerk' AND table_name = 'jay_tracking_session' AND is_grantable = 'YES'"
        )
        assert found == [("UPDATE", "user_id", "YES")]
        [(owner,)] = sql("SELECT tableowner FROM pg_tables WHERE tablename = 'jay_ended_session'")
        assert owner == "jay_clerk"
    finally:
        plain_again()
        sql("DROP ROLE jay_clerk")


@pytest.mark.parametrize(
    ("made", "undone", "named"),
    [
        (
            "CREATE TABLE a_note (session uuid CONSTRAINT a_key REFERENCES jay_tracking_session)",
            "DROP TABLE a_note",
            "the foreign key a_key",
        ),
        ("CREATE VIEW a_view AS SELECT * FROM jay_ended_session", "DROP VIEW a_view", "the view a_view"),
        (
            "CREATE PUBLICATION a_paper FOR TABLE jay_tracking_session",
            "DROP PUBLICATION a_paper",
            "the publication a_paper",
        ),
    ],
    ids=["foreign key", "view", "publication"],
)
def test_what_would_stay_with_the_first_partition_is_named(made, undone, named):
    sql(made)
    try:
        with pytest.raises(CommandError, match=f"cannot be partitioned: {named} would stay"):
            run("jay_partition_sessions")
    finally:
        sql(undone)
    assert not any(table.is_partitioned for table in partitions.tables("default"))


def test_a_session_of_the_future_is_named():
    store(NOON + 400 * DAY)
    april = first_id(datetime.datetime(2026, 4, 1, tzinfo=datetime.UTC))
    with pytest.raises(CommandError, match=rf"a session from 2027-04-14.* with ids from {april} on"):
        run("jay_partition_sessions", "--attach")
    assert sql("SELECT conname FROM pg_constraint WHERE conname = 'jay_session_range'") == []


def test_behind_a_long_transaction_it_gives_up_and_leaves_nothing(monkeypatch):
    store(NOON)
    with (
        another_transaction("SELECT * FROM jay_tracking_session"),
        pytest.raises(CommandError, match=r"in 2 tries: canceling statement due to lock timeout\. "),
    ):
        run("jay_partition_sessions", "--attach")
    assert sql("SELECT conname FROM pg_constraint WHERE conname = 'jay_session_range'") == []
    assert run("jay_partition_sessions", "--attach") == "2 tables partitioned; 3 partitions made, 0 dropped."


def test_a_failure_after_the_constraint_takes_it_off_again(monkeypatch):
    store(NOON)
    monkeypatch.setattr(partitioning, "_swap", lambda *arguments, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("jay_partition_sessions", "--attach")
    store(NOON + 100 * DAY)


def test_a_constraint_that_a_killed_run_has_left_is_told_and_goes(monkeypatch):
    store(NOON)
    monkeypatch.setattr(partitioning, "_swap", lambda *arguments, **options: 1 / 0)
    alter = partitioning._alter

    def dies(alias, table, change):
        if not change.startswith("DROP CONSTRAINT IF EXISTS jay_session_range") or "ADD" in change:
            alter(alias, table, change)
        else:
            raise StoreBusy("Killed.")

    monkeypatch.setattr(partitioning, "_alter", dies)
    with pytest.raises(ZeroDivisionError):
        run("jay_partition_sessions", "--attach")
    monkeypatch.undo()
    assert partitions.room_until("default", NOON) == datetime.datetime(2026, 4, 1, tzinfo=datetime.UTC)
    with pytest.raises(StoreLacksPartition), translating_errors():
        store(NOON + 30 * DAY)
    run("jay_partition_sessions", "--attach")
    store(NOON + 30 * DAY)


def test_without_the_setting_the_line_to_write_is_named(setting):
    setting(PARTITIONS=None)
    with pytest.raises(CommandError, match=r'JAY_SESSIONS = \{"PARTITIONS": "month"\}'):
        run("jay_partition_sessions")


# Kept ahead


def test_after_runs_that_were_left_out_one_partition_takes_the_gap(tables, time_machine):
    time_machine.move_to(datetime.datetime(2026, 12, 5, tzinfo=datetime.UTC), tick=False)
    assert run("jay_partition_sessions", "--ahead", "1") == "2 partitions made, 0 dropped."
    assert bounds()[3:] == ["20260701", "20270101", "20270201"]


def test_another_length_begins_where_the_last_partition_ends(tables, setting, time_machine):
    setting(PARTITIONS="week")
    assert run("jay_partition_sessions") == "0 partitions made, 0 dropped."
    time_machine.move_to(datetime.datetime(2026, 6, 26, tzinfo=datetime.UTC), tick=False)
    run("jay_partition_sessions", "--ahead", "2")
    assert bounds()[3:] == ["20260701", "20260706", "20260713"]


def test_a_partition_without_bounds_takes_everything(tables):
    sql("CREATE TABLE others PARTITION OF jay_tracking_session DEFAULT")
    assert partitions._room_until(partitions.tables("default")[0], NOON) == LATEST


# A session without a partition


@pytest.fixture
def later(tables, time_machine):
    """A time for which there is no partition."""
    moment = NOON + 200 * DAY
    time_machine.move_to(moment, tick=False)
    return moment


@pytest.mark.parametrize("recorder", ["direct", "group"])
def test_a_session_without_a_partition_is_refused_as_unavailable(api, setting, later, caplog, recorder):
    setting(RECORDER=recorder)
    answer = api.post(PATH)
    assert error_of(answer) == (503, 503, "STORE_UNAVAILABLE")
    assert answer["Retry-After"] == "5"
    assert "Run: python manage.py jay_partition_sessions." in caplog.text
    assert "Partition key" not in caplog.text
    run("jay_partition_sessions")
    assert api.post(PATH).status_code == 200


def test_an_end_without_a_partition_is_refused_as_unavailable(api, later):
    table = partitions.tables("default")[0]
    part = f"jay_tracking_session_20260701_{later + 30 * DAY:%Y%m%d}"
    sql(f"CREATE TABLE {part} (LIKE jay_tracking_session INCLUDING ALL)")
    sql(
        partitions.attaching(
            "jay_tracking_session", part, table.partitions[-1].end, first_id(later + 30 * DAY)
        )
    )
    token = token_of(api.post(PATH))
    answer = api.delete(PATH, headers={"X-JAY-TRACKING": token})
    assert error_of(answer) == (503, 503, "STORE_UNAVAILABLE")
    assert api.get(PATH, headers={"X-JAY-TRACKING": token}).status_code == 200


def test_of_sessions_that_share_a_commit_only_the_one_without_a_partition_is_refused(tables):
    rows = [row(NOON), row(NOON + 500 * DAY), row(NOON + DAY)]
    connection = shared.SharedConnection("default")
    try:
        found = group.recordings.do_all(connection, rows)
    finally:
        connection.close()
    assert [type(one) for one in found] == [type(None), StoreLacksPartition, type(None)]
    assert TrackingSession.objects.count() == 2


def test_of_sessions_of_tasks_that_share_a_commit_too(tables, setting):
    setting(RECORDER="group")

    async def record():
        rows = [row(NOON), row(NOON + 500 * DAY), row(NOON + DAY)]
        return await asyncio.gather(*map(group.arecord, rows), return_exceptions=True)

    assert [type(one) for one in asyncio.run(record())] == [type(None), StoreLacksPartition, type(None)]
    assert TrackingSession.objects.count() == 2


def test_another_constraint_is_a_fault_as_before(tables):
    made = store(NOON)
    sql("ALTER TABLE jay_tracking_session ADD CONSTRAINT known CHECK (source = 'here')")
    with pytest.raises(IntegrityError), translating_errors():
        store(NOON, source="elsewhere")
    with pytest.raises(IntegrityError), translating_errors():
        TrackingSession(pk=made.pk, started_at=NOON, source="here").save(force_insert=True)


def test_the_health_check_tells_that_partitions_end(tables, time_machine, caplog):
    health.SessionStore().run()
    time_machine.move_to(datetime.datetime(2026, 6, 30, 12, tzinfo=datetime.UTC), tick=False)
    health.SessionStore().run()
    with pytest.raises(ServiceUnavailable, match="STORE_NO_PARTITION"):
        health.SessionStore(hours=24).run()
    assert "Partitions end at 2026-07-01" in caplog.text
    time_machine.move_to(NOON + 200 * DAY + datetime.timedelta(microseconds=123_457), tick=True)
    with pytest.raises(ServiceUnavailable, match="STORE_NO_PARTITION"):
        health.SessionStore().run()
    run("jay_partition_sessions")
    health.SessionStore(hours=24).run()


# Dropped


@pytest.fixture
def ninety_days(tables, setting, time_machine):
    """In November, with sessions of each month since March."""
    setting(PARTITIONS="month", RETENTION=90 * DAY, SESSION_LIFETIME=DAY)
    run("jay_partition_sessions", "--ahead", "11")
    for month in range(8):
        store(NOON + month * 31 * DAY, zephr_session_id=f"zephr-{month}")
        LinkedZephrSession.objects.create(pk=f"zephr-{month}", claimed_at=NOON + month * 31 * DAY)
    time_machine.move_to(NOON + 8 * 31 * DAY, tick=False)
    sessions.start(PLAYOUT)
    list(rollups.run())


def months():
    return [f"{pk:%m}" for pk in TrackingSession.objects.order_by("pk").values_list("started_at", flat=True)]


def test_what_the_retention_frees_is_dropped_and_the_rest_is_purged_as_rows(ninety_days):
    EndedSession.objects.store(
        EndedSession(session_id=pk, ended_at=NOON, reason="client")
        for pk in TrackingSession.objects.values_list("pk", flat=True)
    )
    assert bounds()[0] == "20260401"
    store(datetime.datetime(2026, 8, 2, tzinfo=datetime.UTC))
    assert run("jay_partition_sessions") == "0 partitions made, 5 dropped."
    assert bounds() == bounds("jay_ended_session")
    assert bounds()[:2] == ["20260801", "20260901"]
    assert months() == ["08", "08", "09", "10", "11"]
    assert EndedSession.objects.count() == 4
    linked = LinkedZephrSession.objects.order_by("pk").values_list("pk", flat=True)
    assert list(linked) == ["zephr-5", "zephr-6", "zephr-7"]
    assert run("jay_purge_sessions") == "2 sessions purged."
    # A file may have older sessions than all that are left.
    store(NOON - 5000 * DAY)


def test_purging_drops_whole_partitions_too(ninety_days):
    store(datetime.datetime(2026, 8, 2, tzinfo=datetime.UTC))
    assert run("jay_purge_sessions") == "5 partitions dropped. 2 sessions purged."
    assert bounds()[0] == "20260801"
    assert months() == ["09", "10", "11"]
    assert LinkedZephrSession.objects.count() == 2
    assert run("jay_purge_sessions") == "0 sessions purged."


def test_sessions_start_while_partitions_are_dropped(ninety_days, time_machine, monkeypatch):
    problems = []
    with sessions_that_start(problems) as started:
        assert retention.drop_partitions(retention.purge_limit()) == 5
    assert problems == []
    assert TrackingSession.objects.filter(pk__in=started).count() == len(started)


def test_a_drop_that_a_reader_has_kept_waiting_is_finished_by_the_next_run(ninety_days):
    with another_transaction("SELECT * FROM jay_tracking_session"):
        with pytest.raises(CommandError, match="pg_stat_activity"):
            run("jay_partition_sessions")
        # Others are not kept waiting meanwhile.
        token = sessions.start(PLAYOUT).encoded
        assert sessions.end([token]) == 1
    [first, *_] = partitions.tables("default")[0].partitions
    assert first.is_leaving
    assert health.SessionStore().run() is None
    assert run("jay_purge_sessions").startswith("5 partitions dropped.")
    assert bounds() == bounds("jay_ended_session")


def test_a_detached_partition_that_a_killed_run_has_left_is_dropped(ninety_days):
    first = partitions.tables("default")[1].partitions[0].name
    sql(f"ALTER TABLE jay_ended_session DETACH PARTITION {first}")
    sql("CREATE TABLE jay_ended_session_20260101_20260201_kept (LIKE jay_ended_session)")
    run("jay_partition_sessions")
    left = sql("SELECT relname FROM pg_class WHERE relname ~ '^jay_ended.*(20260401|kept)$'")
    assert left == [("jay_ended_session_20260101_20260201_kept",)]
    assert bounds() == bounds("jay_ended_session")


def test_without_a_retention_nothing_is_dropped(ninety_days, setting):
    setting(RETENTION=None)
    assert run("jay_partition_sessions") == "0 partitions made, 0 dropped."
    assert len(months()) == 9


# What else looks at the tables


def test_the_list_estimates_the_rows_of_all_partitions(tables):
    assert TrackingSession.objects.estimated_count() == -1
    for number in range(30):
        store(NOON + number * 2 * DAY)
    sql("ANALYZE jay_tracking_session")
    sql("UPDATE pg_class SET reltuples = -1 WHERE oid = 'jay_tracking_session'::regclass")
    assert TrackingSession.objects.estimated_count() == 30


def test_an_import_of_old_sessions_finds_a_partition(tables, tmp_path):
    line = {"started_at": "2011-01-01T00:00:00Z", "playout_id": PLAYOUT, "source": "here"}
    (tmp_path / "old.ndjson").write_text(json.dumps(line), encoding="utf-8")
    assert run("jay_import_sessions", str(tmp_path / "old.ndjson")).startswith("Sessions: 1 imported")


def test_a_mark_is_of_no_use_once_the_tables_or_their_partitions_are_others():
    marks = [EndedSession.objects.mark().server]
    run("jay_partition_sessions")
    marks.append(EndedSession.objects.mark().server)
    sql("TRUNCATE jay_ended_session")
    marks.append(EndedSession.objects.mark().server)
    assert len(set(marks)) == 3
    # Not at each period: all ended sessions would be loaded again.
    run("jay_partition_sessions", "--ahead", "5")
    assert EndedSession.objects.mark().server == marks[-1]


# Plans


@pytest.fixture
def many(tables):
    """12,000 sessions in four partitions, a third of them anonymous and half of them ended."""
    TrackingSession.objects.bulk_create(
        TrackingSession(
            session_id=uuid7(NOON + number * DAY / 120, number),
            started_at=NOON + number * DAY / 120,
            playout_id=f"netflix:{number % 40}",
            provider_name=f"provider-{number % 5}",
            user_id=None if number % 3 == 0 else f"user-{number % 1000}",
            source=f"source-{number % 2}",
        )
        for number in range(12_000)
    )
    sql(
        "INSERT INTO jay_ended_session (session_id, ended_at, transaction, reason) "
        "SELECT session_id, started_at, 1, 'client' FROM jay_tracking_session ORDER BY random() LIMIT 6000"
    )
    sql("ANALYZE jay_tracking_session, jay_ended_session")


def plans_of(ask):
    """The plans of the queries for sessions that `ask` sends."""
    with CaptureQueriesContext(connection) as queries:
        ask()
    # Not those that count: of few sessions, these read all. Nor those for the filters' choices.
    texts = [query["sql"] for query in queries if query["sql"].startswith('SELECT "jay_tracking_session"')]
    asked = [text for text in texts if "LIMIT 1000" not in text]
    assert asked
    return ["\n".join(line for (line,) in sql(f"EXPLAIN (ANALYZE) {text}")) for text in asked]


def test_a_listing_asks_the_newest_partitions_first(many):
    for filters in ({}, {"provider": "provider-3"}, {"active": False}, {"active": True}):
        [plan] = plans_of(lambda f=filters: listing.page("netflix:3", listing.SessionFilters(**f), 10))
        assert "Sort" not in plan
        assert "never executed" in plan
        assert plan.index("20260601_20260701") < plan.index("oldest_20260401")


QUERIES = {
    "": "Append",
    "?user=without": "Append",
    "?state=ended": "Append",
    "?provider_name=provider-3": "Append",
    "?state=active": "Append",
    "?state=active&provider_name=provider-3": "Append",
    "?q=netflix:3": "Merge Append",
    "?q=netflix*": "Append",
}


def test_the_admin_list_sorts_no_partitions(many, admin_client):
    for query, node in QUERIES.items():
        for plan in plans_of(lambda query=query: admin_client.get(f"{LIST}{query}")):
            assert node in plan, query
            assert "Sort  (" not in plan, query
            assert "Hash" not in plan, query


def test_the_rollups_read_no_more_of_a_users_sessions_than_they_ask_for(many):
    with snapshots.one_state("default", "jay_rollup_state"), connection.cursor() as cursor:
        latest = uuid.UUID(int=2**128 - 1)
        asked = [["somebody"], ["netflix:1"], ["netflix"], ["web"], [latest]]
        cursor.execute(f"EXPLAIN {recent._QUERY}", [*asked, recent.DEPTHS[0]])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Index Scan Backward" in plan
    assert "Sort" not in plan
    assert "Bitmap" not in plan


def test_a_look_up_asks_one_partition_with_a_plan_for_all_ids(many):
    ids = [str(first_id(NOON + days * DAY)) for days in (1, 2)]
    assert statements.is_ended(connection, ids[0]) in (True, False)
    [(name,)] = sql("SELECT name FROM pg_prepared_statements WHERE statement ~ 'FROM .jay_ended_session'")
    plan = "\n".join(line for (line,) in sql(f"EXPLAIN EXECUTE \"{name}\" ('{ids[0]}')"))
    assert "Subplans Removed: 3" in plan
    # And for several ids.
    planned = statements.ended_query(ids)
    sql(f"PREPARE look_up (uuid, uuid) AS {planned.sql}")
    plan = "\n".join(line for (line,) in sql(f"EXPLAIN EXECUTE look_up ('{ids[0]}', '{ids[1]}')"))
    sql("DEALLOCATE look_up")
    assert "Subplans Removed: 3" in plan
