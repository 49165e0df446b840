"""An ended session is not valid: at once, or within `END_PROPAGATION` in other processes."""

import contextlib
import datetime
import threading
import time
import uuid

import pytest
import time_machine
from django.db import connection, connections, transaction
from django.utils import timezone

from jay_sessions import sessions
from jay_sessions.core.uuid7 import uuid7
from jay_sessions.database.connections import SharedConnection
from jay_sessions.exceptions import StoreUnavailable
from jay_sessions.models import EndedSession, Reason, TrackingSession
from jay_sessions.store import ended, ended_ids, statements
from jay_sessions.store.ended_ids import EndedIds
from jay_sessions.store.statements import End

from ..conftest import PLAYOUT, Clock, dead_database, sql_refused, store_down, until
from ..support import ends

# A look-up inside a transaction asks the database, so these tests are in none.
pytestmark = pytest.mark.django_db(transaction=True)

HOUR = datetime.timedelta(hours=1)
LIFETIME = 30 * 24 * HOUR


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    clock.now = 1000.0
    monkeypatch.setattr(ended_ids, "monotonic", clock)
    return clock


@pytest.fixture
def propagating(setting, clock):
    setting(END_PROPAGATION=10, SESSION_LIFETIME=LIFETIME)
    return clock


def start(bits=1, age=HOUR, ended_at=None, **fields):
    """Store a session; give its id."""
    started = timezone.now() - age
    values = {
        "session_id": uuid7(started, bits),
        "playout_id": PLAYOUT,
        "source": "here",
        "started_at": started,
    }
    row = TrackingSession.objects.create(**values, **fields)
    ends.end(ended_at, row)
    return row.pk


def end(session_id):
    """End a session as another process does."""
    with ends.elsewhere():
        ends.end(timezone.now(), session_id)


def test_an_end_says_when_and_by_whom():
    started = sessions.start(PLAYOUT)
    sessions.end([started.encoded])
    stored = EndedSession.objects.get()
    assert str(stored.session_id) == started.token.session_id
    assert (stored.reason, stored.ended_at) == (Reason.CLIENT, TrackingSession.objects.get().ended_at)


@pytest.mark.parametrize("recorder", ["direct", "group"])
def test_without_propagation_the_database_is_asked_each_time(setting, recorder):
    setting(RECORDER=recorder)
    first, second = start(1), start(2)
    assert [ended.is_ended(str(one)) for one in (first, second, uuid.uuid4())] == [False, False, False]
    end(first)
    assert [ended.is_ended(str(one)) for one in (first, second)] == [True, False]
    with dead_database(), pytest.raises(StoreUnavailable):
        ended.is_ended(str(first))
    assert ended.is_ended(str(first))


def test_threads_that_ask_at_the_same_time_share_a_query(setting, monkeypatch):
    setting(RECORDER="group")
    ids = [start(bits) for bits in range(40)]
    for one in ids[::2]:
        end(one)
    asked, wrong = [], []
    ended_of = statements.ended_of

    def watch(shared, session_ids):
        asked.append(len(session_ids))
        if len(asked) == 1:
            # All others come meanwhile.
            until(lambda: len(ended.look_ups.threads.get("default").batcher._queue) == 9)
        return ended_of(shared, session_ids)

    monkeypatch.setattr(statements, "ended_of", watch)

    def ask():
        wrong.extend(one for one in ids if ended.is_ended(str(one)) != (one in ids[::2]))
        connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    assert sum(asked) == 400
    assert asked[0] == 1
    assert asked[1] >= 9


def test_ends_of_threads_share_a_commit_and_each_hears_of_its_own(setting, monkeypatch):
    setting(RECORDER="group")
    started = [sessions.start(PLAYOUT).encoded for _ in range(5)]
    # One session is ended by four threads, four others by one each.
    wanted = [*started, *started[:1] * 3]
    sizes, answers = [], []
    end_all = statements.end_all

    def watch(shared, new, *, again=False):
        sizes.append(len(new))
        if len(sizes) == 1:
            until(lambda: len(ended.ends.threads.get("default").batcher._queue) == 7)
        return end_all(shared, new, again=again)

    monkeypatch.setattr(statements, "end_all", watch)

    def end_one(encoded):
        answers.append((encoded, sessions.end([encoded])))
        connections.close_all()

    threads = [threading.Thread(target=end_one, args=[encoded]) for encoded in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sizes == [1, 5]
    assert sorted(answers) == sorted([*((encoded, 1) for encoded in started), *((started[0], 0),) * 3])
    assert EndedSession.objects.count() == 5


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no answers that can get lost.")
@pytest.mark.parametrize("recorder", ["direct", "group"])
def test_an_end_with_a_lost_answer_counts_as_new(setting, monkeypatch, recorder):
    setting(RECORDER=recorder)
    first, second = sessions.start(PLAYOUT).encoded, sessions.start(PLAYOUT).encoded
    sessions.end([second])
    name = "end_all" if recorder == "group" else "end"
    store, tries = getattr(statements, name), []

    def lose_the_answer(shared, new, *, again=False):
        stored = store(shared, new, again=again)
        tries.append(again)
        if not again:
            shared.connection.close()
            with shared.wrap_database_errors:
                shared.connection.execute("SELECT 1")
        return stored

    monkeypatch.setattr(statements, name, lose_the_answer)
    assert [sessions.end([encoded]) for encoded in (first, second)] == [1, 0]
    assert tries == [False, True] * 2


def test_an_end_that_is_sent_again_is_looked_up_over_the_same_connection(django_assert_num_queries):
    shared, now = SharedConnection("default"), timezone.now()
    first, second = (End(str(uuid.uuid4()), now, Reason.CLIENT) for _ in range(2))
    theirs = first._replace(ended_at=now + HOUR)
    try:
        # Another connection, such as this thread's own, has no deadline meanwhile.
        with django_assert_num_queries(0):
            assert statements.end_all(shared.wrapper, [first]) == {first.session_id}
            assert statements.end_all(shared.wrapper, [first]) == set()
            assert statements.end_all(shared.wrapper, [theirs, second], again=True) == {second.session_id}
            both = {first.session_id, second.session_id}
            assert statements.end_all(shared.wrapper, [first, second], again=True) == both
    finally:
        shared.close()


@pytest.mark.parametrize("by_hand", [True, False])
def test_an_end_cannot_spoil_a_transaction_of_the_site(setting, by_hand):
    setting(RECORDER="direct")
    encoded = sessions.start(PLAYOUT).encoded
    statements_run = []

    def watch(execute, sql, *rest):
        statements_run.append(sql)
        return execute(sql, *rest)

    with _begun_by_hand() if by_hand else transaction.atomic(), connection.execute_wrapper(watch):
        assert sessions.end([encoded]) == 1
    # Another statement may fail.
    assert ["ON CONFLICT" in sql for sql in statements_run if sql.startswith("INSERT")] == [True]


@contextlib.contextmanager
def _begun_by_hand():
    transaction.set_autocommit(False)
    try:
        yield
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


@pytest.mark.parametrize("propagation", [0, 10])
@pytest.mark.parametrize("recorder", ["direct", "group"])
def test_a_look_up_inside_a_transaction_sees_what_that_has_done_and_no_other_does(
    setting, recorder, propagation
):
    setting(RECORDER=recorder, END_PROPAGATION=propagation, SESSION_LIFETIME=LIFETIME)
    started = sessions.start(PLAYOUT)
    with transaction.atomic():
        sessions.end([started.encoded])
        assert ended.is_ended(started.token.session_id)
        transaction.set_rollback(True)
    assert not ended.is_ended(started.token.session_id)


def test_what_a_rolled_back_transaction_has_read_is_not_kept(propagating):
    first, second = start(1), start(2)
    assert not ended.is_ended(str(first))
    for block in (transaction.atomic, _savepoint):
        propagating.now += 11
        with block():
            end(first)
            assert [ended.is_ended(str(one)) for one in (first, second)] == [True, False]
            transaction.set_rollback(True)
        assert not ended.is_ended(str(first))


@contextlib.contextmanager
def _savepoint():
    with transaction.atomic(), transaction.atomic():
        yield


def test_with_propagation_a_process_knows_all_that_is_ended_before_its_first_answer(propagating):
    ids = [start(bits, age=bits * HOUR) for bits in range(1, 50)]
    for one in ids[::3]:
        end(one)
    assert [ended.is_ended(str(one)) for one in ids] == [one in ids[::3] for one in ids]


def test_with_propagation_an_answer_needs_no_query(propagating, django_assert_num_queries):
    first, second = start(1, ended_at=timezone.now()), start(2)
    assert ended.is_ended(str(first))
    propagating.now += 4.9
    with django_assert_num_queries(0):
        assert [ended.is_ended(str(one)) for one in (first, second, uuid.uuid4())] == [True, False, False]


def test_an_end_elsewhere_is_known_within_the_propagation(propagating):
    session_id = start()
    assert not ended.is_ended(str(session_id))
    end(session_id)
    propagating.now += 4
    assert not ended.is_ended(str(session_id))
    propagating.now += 6
    assert ended.is_ended(str(session_id))


def test_an_end_here_is_known_here_at_once(propagating):
    started = sessions.start(PLAYOUT)
    session_id = uuid.UUID(started.token.session_id)
    assert not ended.is_ended(str(session_id))
    sessions.end([started.encoded])
    assert ended.is_ended(str(session_id))


def test_an_end_that_is_rolled_back_is_none(propagating):
    started = sessions.start(PLAYOUT)
    session_id = uuid.UUID(started.token.session_id)
    assert not ended.is_ended(str(session_id))
    with transaction.atomic():
        sessions.end([started.encoded])
        transaction.set_rollback(True)
    propagating.now += 20
    assert not ended.is_ended(str(session_id))
    assert not EndedSession.objects.exists()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time.")
def test_an_end_that_commits_late_is_not_missed(propagating):
    late, early = start(1), start(2)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(
                "INSERT INTO jay_ended_session (session_id, transaction, ended_at, reason) "
                "VALUES (%s, pg_current_xact_id()::text::bigint, now(), 'client')",
                [late],
            )
            assert not ended.is_ended(str(early))
            for _ in range(3):
                # Others begin and commit meanwhile, and are read.
                end(early)
                propagating.now += 11
                assert [ended.is_ended(str(one)) for one in (early, late)] == [True, False]
            cursor.execute("COMMIT")
    finally:
        other.close()
    propagating.now += 11
    assert ended.is_ended(str(late))


def test_who_has_not_asked_for_long_reads_what_is_new_and_no_more(propagating, monkeypatch):
    session_id = start()
    assert not ended.is_ended(str(session_id))
    end(session_id)
    propagating.now += 3 * HOUR.total_seconds()
    monkeypatch.setattr(EndedIds, "_load", None)
    assert ended.is_ended(str(session_id))


def test_a_session_that_ended_before_it_was_stored_is_known_to_have_ended(propagating):
    session_id = uuid7(timezone.now(), 1)
    end(session_id)
    assert ended.is_ended(str(session_id))


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL numbers transactions.")
def test_numbers_of_ends_grow_though_the_last_ones_are_removed():
    numbers = []
    for bits in range(3):
        end(start(bits))
        numbers.append(EndedSession.objects.get().transaction)
        EndedSession.objects.all().delete()
        # SQLite's clock counts milliseconds.
        time.sleep(0.002)
    assert numbers == sorted(set(numbers))


def test_what_is_past_its_lifetime_is_neither_loaded_nor_kept(propagating, setting):
    start(1, age=LIFETIME + 3 * HOUR, ended_at=timezone.now())
    kept = start(2, age=LIFETIME - HOUR, ended_at=timezone.now())
    assert ended.is_ended(str(kept))
    known = ended_ids.of_this_process("default")
    assert sum(map(len, known._by_minute.values())) == 1
    with time_machine.travel(timezone.now() + 3 * HOUR):
        propagating.now += 20
        assert not ended.is_ended(str(kept))
    assert known._by_minute == {}


def test_a_session_takes_eight_bytes():
    known = EndedIds("default")
    for bits in range(1000):
        known.add(uuid7(timezone.now(), bits))
    [numbers] = {array.itemsize for array in known._by_minute.values()}
    assert numbers == 8
    known.add(uuid7(timezone.now(), 1))
    assert sum(map(len, known._by_minute.values())) in (1000, 1001)


def test_without_the_database_what_is_known_is_good_for_the_propagation_and_no_longer(propagating, caplog):
    session_id = start(ended_at=timezone.now())
    assert ended.is_ended(str(session_id))
    with sql_refused("jay_ended_session"), sql_refused("pg_snapshot"):
        propagating.now += 4
        assert ended.is_ended(str(session_id))
        propagating.now += 2
        assert ended.is_ended(str(session_id))
        assert "6.0 s old" in caplog.text
        propagating.now += 4
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                ended.is_ended(str(session_id))
    assert ended.is_ended(str(session_id))


def test_without_the_database_a_new_process_answers_nothing(propagating):
    with store_down(), pytest.raises(StoreUnavailable):
        ended.is_ended(str(uuid.uuid4()))


def test_who_waits_for_a_look_up_that_fails_fails_with_it(propagating):
    known = ended_ids.of_this_process("default")
    reads, outcomes, began, may_fail = [], [], threading.Event(), threading.Event()

    def fail():
        reads.append(1)
        began.set()
        assert may_fail.wait(30)
        known._failures += 1
        raise StoreUnavailable("away")

    known._read = fail

    def ask():
        try:
            outcomes.append(known.has(str(uuid.uuid4())))
        except StoreUnavailable:
            outcomes.append("unavailable")

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert began.wait(30)
    threading.Event().wait(0.2)
    may_fail.set()
    for thread in threads:
        thread.join(30)
    assert outcomes == ["unavailable"] * 5
    assert len(reads) < 5


def test_a_refresh_that_takes_long_holds_up_no_end_and_no_question_for_long(propagating, monkeypatch):
    monkeypatch.setattr(ended_ids, "queue_timeout", lambda: 0.1)
    known, session_id = ended_ids.of_this_process("default"), uuid7(timezone.now(), 1)
    with known._refreshing:
        known.add(session_id)
        assert known.knows(str(session_id))
        with pytest.raises(StoreUnavailable):
            known.has(str(session_id))


def test_an_end_while_all_is_loaded_is_not_lost(propagating, monkeypatch):
    known, session_id = ended_ids.of_this_process("default"), start()
    load = known._load

    def load_while_one_ends(oldest):
        known.add(session_id)
        load(oldest)

    monkeypatch.setattr(known, "_load", load_while_one_ends)
    assert known.has(str(session_id))


def test_a_long_question_goes_over_a_connection_that_has_just_answered(propagating, monkeypatch):
    asked = []

    def ask(alias, use, *, seconds=None):
        asked.append(seconds)
        return use(False)

    monkeypatch.setattr(ended_ids, "ask", ask)
    assert not ended.is_ended(str(uuid.uuid4()))
    assert asked == [None, ended_ids.LONG]


def test_the_server_ends_an_end_that_nobody_goes_on_with_but_no_transaction_of_the_callers():
    if connection.vendor != "postgresql":
        pytest.skip("Other databases have no such time limit.")

    def limit():
        with connection.cursor() as cursor:
            cursor.execute("SHOW idle_in_transaction_session_timeout")
            return cursor.fetchone()[0]

    limits, stored = [], ended.end_within
    for _ in range(2):
        sessions.start(PLAYOUT, "ada")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ended, "end_within", lambda *values: limits.append(limit()) or stored(*values))
        with transaction.atomic():
            assert sessions.end_all("ada") == 2
            transaction.set_rollback(True)
        assert sessions.end_all("ada") == 2
    assert [*limits, limit()] == ["0", "0", "3s", "3s", "0"]


def test_a_site_may_not_propagate_without_a_lifetime(settings):
    from django.core import checks

    settings.JAY_SESSIONS = {"END_PROPAGATION": 5}
    [error] = [one for one in checks.run_checks() if one.id == "jay_sessions.E030"]
    assert "SESSION_LIFETIME" in error.msg + error.hint


@pytest.mark.parametrize("moved_by", ["the next end", "the next look-up"])
def test_who_ends_a_session_does_not_wait_for_who_reads(propagating, moved_by):
    first, second = start(1), start(2)
    known = ended_ids.of_this_process("default")
    assert not known.has(str(first))
    with known._refreshing:
        # Deadlock, if it did.
        known.add(first)
        assert known.knows(str(first))
    assert known._own == {first}
    if moved_by == "the next end":
        known.add(second)
    else:
        propagating.now += 11
        known.has(str(second))
    assert known._own == set()
    assert known.knows(str(first))


def test_who_looks_up_waits_for_who_reads_a_bounded_time(propagating, setting):
    setting(END_PROPAGATION=10, SESSION_LIFETIME=LIFETIME, DATABASE_TIMEOUT=0.1)
    known = ended_ids.of_this_process("default")
    with known._refreshing, pytest.raises(StoreUnavailable):
        known.has(str(uuid.uuid4()))
