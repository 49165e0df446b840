"""What is removed: sessions by RETENTION, and a user from his sessions."""

import datetime
import io
import json
import threading
import time
import uuid
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from jay_sessions import retention, sessions
from jay_sessions.analytics import export, rollups, site_days, statistics
from jay_sessions.analytics.statistics import Filters
from jay_sessions.core.uuid7 import uuid7
from jay_sessions.database import clock
from jay_sessions.exceptions import InvalidUserId, NoSession, StoreUnavailable
from jay_sessions.models import EndedSession, LinkedZephrSession, Reason, TrackingSession
from jay_sessions.models.rollups import DailyCount, Dimension

from .conftest import PATH, PLAYOUT, error_of, members_of, sql_refused, store_down, token_of
from .support.ends import end
from .support.servers import example_site, manage, running

pytestmark = pytest.mark.django_db(transaction=True)

DAY = datetime.timedelta(days=1)
NOON = datetime.datetime(2026, 3, 31, 12, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def _now(time_machine):
    time_machine.move_to(NOON, tick=True)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 10)


def store(ago=DAY * 0, count=1, ended_at=None, **fields):
    """Store sessions that started so long ago, a second apart; gives their ids, oldest first."""
    fields = {"playout_id": PLAYOUT, "source": "here", **fields}
    moments = [NOON - ago + number * datetime.timedelta(seconds=1) for number in range(count)]
    rows = [
        TrackingSession(session_id=uuid7(moment, uuid.uuid4().int >> 66), started_at=moment, **fields)
        for moment in moments
    ]
    TrackingSession.objects.bulk_create(rows)
    end(ended_at, *rows)
    return [row.session_id for row in rows]


def link(zephr_id, ago=DAY * 0, **facts):
    at = NOON - ago
    LinkedZephrSession.objects.create(pk=zephr_id, claimed_at=at, fetched_at=at, **facts)


def known_zephr_sessions():
    return set(LinkedZephrSession.objects.values_list("pk", flat=True))


def stored():
    return set(TrackingSession.objects.values_list("session_id", flat=True))


def run(name, *arguments):
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    call_command(name, *arguments, stdout=out, stderr=io.StringIO())
    out.flush()
    return out.buffer.getvalue().decode()


@pytest.fixture
def ten_days(setting):
    setting(RETENTION=10 * DAY, SESSION_LIFETIME=DAY)


def test_what_is_older_than_the_retention_goes_and_nothing_else(ten_days):
    store(11 * DAY, 3)
    [old] = store(10 * DAY + clock.MARGIN + datetime.timedelta(minutes=1))
    kept = {*store(10 * DAY + clock.MARGIN - datetime.timedelta(minutes=1)), *store(DAY), *store()}
    assert run("jay_purge_sessions") == "4 sessions purged.\n"
    assert stored() == kept
    assert run("jay_purge_sessions") == "0 sessions purged.\n"
    assert old not in stored()


def test_nothing_is_purged_of_nothing(ten_days):
    assert run("jay_purge_sessions") == "0 sessions purged.\n"


def everything_counted():
    first, after = site_days.day_of(NOON) - 20 * DAY, site_days.day_of(NOON) + DAY
    all_filters = [
        Filters(Dimension.SITE),
        Filters(Dimension.PLAYOUT, PLAYOUT),
        Filters(Dimension.PLAYOUT, "zdf:1"),
    ]
    return [statistics.by_day(filters, first, after) for filters in all_filters]


@pytest.mark.parametrize("days", [1, 2, 5, 10])
def test_the_numbers_stay_whatever_the_retention(setting, days):
    setting(RETENTION=days * DAY, SESSION_LIFETIME=DAY)
    for ago in range(15):
        store(ago * DAY + clock.MARGIN + datetime.timedelta(minutes=5), 3, user_id=f"user-{ago // 2}")
        store(ago * DAY + clock.MARGIN + datetime.timedelta(hours=1), 2, playout_id="zdf:1", ended_at=NOON)
    before = everything_counted()
    run("jay_purge_sessions")
    # The last two days that were counted are not touched.
    assert TrackingSession.objects.count() == 5 * max(days, 2)
    assert everything_counted() == before
    list(rollups.run(rebuild=True))
    list(rollups.run())
    assert everything_counted() == before


def test_a_late_session_does_not_have_purged_days_counted_anew(setting):
    setting(RETENTION=2 * DAY, SESSION_LIFETIME=DAY)
    store(5 * DAY, 3)
    store(datetime.timedelta(hours=1))
    run("jay_purge_sessions")
    [late] = store(6 * DAY)
    run("jay_rollup_sessions")
    assert late in stored()
    counted = DailyCount.objects.filter(kind=Dimension.SITE).order_by("day")
    assert list(counted.values_list("sessions", flat=True)) == [1, 3, 1]


def test_batches_are_transactions_of_their_own(ten_days, small):
    ids = store(20 * DAY, 25)
    list(rollups.run())
    purging = retention.purge(retention.purge_limit())
    assert next(purging) == 10
    assert not connection.in_atomic_block
    assert stored() == {*ids[10:]}
    with sql_refused("DELETE"), pytest.raises(StoreUnavailable):
        next(purging)
    assert stored() == {*ids[10:]}
    assert list(retention.purge(retention.purge_limit())) == [10, 5]


def test_after_each_batch_others_have_as_long_as_it_took(ten_days, small, monkeypatch):
    pauses = []
    times = iter([0.0, 2.0, 10.0, 13.0, 20.0, 20.5, 30.0])
    clock = SimpleNamespace(sleep=pauses.append, monotonic=lambda: next(times))
    monkeypatch.setattr(retention, "time", clock)
    assert list(retention._unhurried([10, 10, 5])) == [10, 10, 5]
    assert pauses == [2.0, 3.0, 0.5]


def test_a_session_that_was_ended_is_not_valid_again_once_it_is_purged(api, setting, time_machine):
    setting(SESSION_LIFETIME=2 * DAY, RETENTION=2 * DAY)
    token = token_of(api.post(PATH))
    assert api.delete(PATH, headers={"X-JAY-TRACKING": token}).status_code == 200
    for days in (1, 2, 3, 10):
        time_machine.move_to(NOON + days * DAY + datetime.timedelta(minutes=1))
        sessions.start(PLAYOUT)
        run("jay_purge_sessions")
        answer = api.get(PATH, headers={"X-JAY-TRACKING": token})
        assert error_of(answer) == (400, 1001, "TRACKING_NOT_VALID")
    assert not TrackingSession.objects.ended().exists()


def test_what_was_fetched_of_a_zephr_session_goes_with_the_last_one_that_is_linked_to_it(ten_days, small):
    store(20 * DAY, zephr_session_id="old")
    store(20 * DAY, zephr_session_id="both")
    store(zephr_session_id="both")
    store(zephr_session_id="new")
    for name, ago in (("old", 20 * DAY), ("both", 20 * DAY), ("new", DAY * 0), ("just claimed", DAY * 0)):
        link(name, ago)
    for number in range(25):
        link(f"unlinked {number:02}", 20 * DAY)
    run("jay_purge_sessions")
    assert known_zephr_sessions() == {"both", "new", "just claimed"}


def test_without_a_retention_nothing_is_purged_and_the_line_to_write_is_named(setting):
    store(1000 * DAY)
    with pytest.raises(CommandError, match=r'JAY_SESSIONS = \{"RETENTION": 90 \* 24 \* 60 \* 60'):
        run("jay_purge_sessions")
    list(rollups.run())
    assert retention.purge_limit() is None
    assert TrackingSession.objects.count() == 1


def test_what_was_not_counted_yet_is_not_purged(ten_days):
    store(20 * DAY)
    assert retention.purge_limit() is None


@pytest.mark.parametrize("name", ["jay_purge_sessions", "jay_erase_user", "jay_export_user"])
def test_a_database_that_is_away_is_told(ten_days, name):
    arguments = [] if name == "jay_purge_sessions" else ["ada"]
    with store_down(), pytest.raises(CommandError, match="The database is unavailable"):
        run(name, *arguments)


def test_a_purge_that_is_stopped_says_how_far_it_came(ten_days, small, monkeypatch):
    store(20 * DAY, 25)

    def interrupted(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(retention, "time", SimpleNamespace(sleep=interrupted, monotonic=time.monotonic))
    with pytest.raises(CommandError, match=r"10 sessions are purged\. The next run goes on"):
        run("jay_purge_sessions")
    assert TrackingSession.objects.count() == 15
    store(count=25, user_id="ada")
    with pytest.raises(CommandError, match=r"10 sessions are erased\. Others may be left"):
        run("jay_erase_user", "ada")


def test_erasing_takes_the_user_off_and_leaves_the_rest(small):
    of_ada, of_bob = store(count=25, user_id="ada", ended_at=NOON), store(user_id="bob")
    assert run("jay_erase_user", " ada ") == "25 sessions erased.\n"
    assert stored() == {*of_ada, *of_bob}
    left = TrackingSession.objects.values_list("user_id", "end__ended_at")
    assert set(left) == {(None, NOON), ("bob", None)}
    assert run("jay_erase_user", "ada") == "0 sessions erased.\n"


def test_erasing_forgets_what_was_fetched_of_the_users_zephr_sessions():
    store(user_id="ada", zephr_session_id="phone")
    store(user_id=None, zephr_session_id="phone")  # before ada logged in
    store(user_id="ada", zephr_session_id="shared")
    store(user_id="bob", zephr_session_id="shared")
    for name in ("phone", "shared"):
        link(name, device="mobile")
    run("jay_erase_user", "ada")
    assert known_zephr_sessions() == {"shared"}
    linked = TrackingSession.objects.filter(zephr_session__isnull=False)
    assert list(linked.values_list("user_id", "zephr_session_id")) == [("bob", "shared")]


@pytest.mark.parametrize("lifetime", [None, DAY])
def test_erasing_ends_the_sessions_whose_tokens_carry_the_user_id(api, setting, lifetime):
    setting(SESSION_LIFETIME=lifetime)
    [old] = store(2 * DAY, user_id="ada")
    ended, open_, other = (
        token_of(api.post(f"{PATH}?user_id={user_id}")) for user_id in ("ada", "ada", "bob")
    )
    api.cookies.clear()
    assert api.delete(PATH, headers={"X-JAY-TRACKING": ended}).status_code == 200
    run("jay_erase_user", "ada")
    for token in (ended, open_):
        with pytest.raises(NoSession):
            sessions.read([token])
    assert sessions.read([other])
    reasons = dict(EndedSession.objects.values_list("session_id", "reason"))
    expected = {ended: Reason.CLIENT, open_: Reason.ERASED}
    expected = {uuid.UUID(members_of(token)["session_id"]): reason for token, reason in expected.items()}
    # A session without a lifetime may be valid for ever.
    assert reasons == expected | ({} if lifetime else {old: Reason.ERASED})


def test_the_end_by_an_erasure_is_no_duration():
    store(DAY, user_id="ada")
    store(DAY, user_id="bob", ended_at=NOON - DAY + datetime.timedelta(minutes=10))
    run("jay_erase_user", "ada")
    list(rollups.run())
    metrics = statistics.total(Filters(), NOON.date() - DAY, NOON.date() + DAY)
    assert (metrics.sessions, metrics.ended) == (2, 1)
    assert metrics.mean_duration == datetime.timedelta(minutes=10)


def test_a_batch_that_fails_leaves_its_sessions_as_they_were(small):
    store(count=15, user_id="ada", zephr_session_id="phone")
    link("phone")
    with (
        sql_refused("DELETE"),
        pytest.raises(CommandError, match=r"0 sessions are erased\. Others may"),
    ):
        run("jay_erase_user", "ada")
    assert TrackingSession.objects.filter(user_id="ada", zephr_session_id="phone").count() == 15
    assert run("jay_erase_user", "ada") == "15 sessions erased.\n"


def test_a_users_export_has_all_that_is_stored(issue_key):
    link("phone", device="mobile", country="DE")
    store(user_id="ada", provider_name="netflix", zephr_session_id="phone", ended_at=NOON)
    [newest] = store(DAY * -1, user_id="ada")
    store(user_id="bob")
    lines = [json.loads(line) for line in run("jay_export_user", "ada").splitlines()]
    assert [line["session_id"] for line in lines][:1] == [str(newest)]
    assert [line["user_id"] for line in lines] == ["ada", "ada"]
    assert (lines[1]["zephr_session_id"], lines[1]["zephr_device"]) == ("phone", "mobile")
    assert run("jay_export_user", "ada", "--format", "csv").splitlines()[0] == ",".join(export.ALL_COLUMNS)


def test_a_users_export_has_every_column():
    own = {field.name for field in TrackingSession._meta.fields} - {"zephr_session", "api_key"}
    of_zephr = {field.name for field in LinkedZephrSession._meta.fields} - {"zephr_session_id"}
    of_end = {"end__ended_at", "end__reason", "api_key__name"}
    expected = own | of_end | {f"zephr_session__{name}" for name in of_zephr} | {"zephr_session_id"}
    assert set(export.ALL_COLUMNS.values()) == expected


@pytest.mark.parametrize("user_id", ["", "  ", "a\0", "x" * 256], ids=ascii)
@pytest.mark.parametrize("name", ["jay_erase_user", "jay_export_user"])
def test_who_nobody_can_be_is_refused(name, user_id):
    store(user_id=None)
    with pytest.raises(CommandError, match=r"Nobody can have this user id|cannot match anything"):
        run(name, user_id)
    with pytest.raises(InvalidUserId):
        retention.sessions_of_user(user_id)


def test_neither_words_nor_log_repeat_the_user_id(caplog):
    store(user_id="ada@example.com")
    said = run("jay_erase_user", "ada@example.com")
    with store_down(), pytest.raises(CommandError) as caught:
        run("jay_erase_user", "ada@example.com")
    assert "ada" not in said + str(caught.value) + caplog.text


FILL = """
import datetime
from django.utils import timezone
from jay_sessions.models import TrackingSession
from jay_sessions.core.uuid7 import uuid7
old = timezone.now() - datetime.timedelta(days=30)
rows = (
    TrackingSession(session_id=uuid7(old, n), started_at=old, playout_id="old", source="here", user_id="ada")
    for n in range(20000)
)
TrackingSession.objects.bulk_create(rows, batch_size=1000)
"""


@pytest.mark.server
@pytest.mark.parametrize("command", [["jay_purge_sessions"], ["jay_erase_user", "ada"]], ids=" ".join)
def test_beside_live_traffic_nothing_is_refused(tmp_path, time_machine, command):
    time_machine.move_to(datetime.datetime.now(datetime.UTC), tick=True)
    lifetime = {"JAY_SESSION_LIFETIME": "60", "JAY_RETENTION": "86400"}
    with running("granian", tmp_path, **lifetime) as server:
        environment = {**example_site(server.database_url), **lifetime}
        manage(environment, "shell", "-c", FILL)
        answers, done = [], threading.Event()

        def post():
            client = server.connect()
            while not done.is_set():
                client.request("POST", PATH, headers={"X-API-Key": server.key, "Content-Length": "0"})
                answer = client.getresponse()
                answer.read()
                answers.append(answer.status)
            client.close()

        threads = [threading.Thread(target=post) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            said = manage(environment, *command)
        finally:
            done.set()
            for thread in threads:
                thread.join()
        assert said.startswith("20,000 sessions")
        assert set(answers) == {200}, (tmp_path / "server.log").read_text()
        left = 0 if command == ["jay_purge_sessions"] else 20000
        assert server.rows() == len(answers) + left
