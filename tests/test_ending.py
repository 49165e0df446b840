"""Sessions that operators end, and what deletions and purges leave of ends."""

import datetime
import io
import logging
import threading
import uuid

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.utils import timezone

from jay_sessions import ending, retention, sessions
from jay_sessions.analytics import rollups, statistics
from jay_sessions.core.uuid7 import uuid7
from jay_sessions.exceptions import StoreUnavailable
from jay_sessions.models import EndedSession, Reason, TrackingSession, deletions
from jay_sessions.signals import session_ended
from jay_sessions.store import statements

from .conftest import PLAYOUT, sql_refused, store_down
from .support.ends import elsewhere, end, is_valid, start

pytestmark = pytest.mark.django_db(transaction=True)

DAY = datetime.timedelta(days=1)


@pytest.fixture
def heard():
    """The sessions of `session_ended`."""
    events = []

    def hear(sender, session, **kwargs):
        events.append((session.pk, session.playout_id, session.ended_at is not None))

    session_ended.connect(hear)
    yield events
    session_ended.disconnect(hear)


def store(ago, **fields):
    moment = timezone.now() - ago
    return TrackingSession.objects.create(
        session_id=uuid7(moment, uuid.uuid4().int >> 66),
        started_at=moment,
        playout_id=PLAYOUT,
        source="here",
        **fields,
    )


def test_an_operator_ends_a_session_by_its_id_once(heard, caplog):
    (pk, token), (_, other) = start(), start()
    with caplog.at_level(logging.INFO, "jay_sessions"):
        assert [sessions.end_by_id(pk), sessions.end_by_id(pk)] == [True, False]
    assert (is_valid(token), is_valid(other)) == (False, True)
    assert EndedSession.objects.get().reason == Reason.OPERATOR
    assert heard == [(pk, PLAYOUT, True)]
    assert "was ended by an operator" in caplog.text
    assert str(pk) not in caplog.text


def test_a_session_that_is_not_stored_is_ended_by_its_id(heard):
    pk, token = start()
    TrackingSession.objects.all().drop()
    assert sessions.end_by_id(pk)
    assert not is_valid(token)
    assert heard == [(pk, "", True)]


def test_all_sessions_of_a_user_end_and_no_others(heard, setting, monkeypatch):
    setting(SESSION_LIFETIME=DAY, USER_ID_STORAGE="hashed")
    monkeypatch.setattr(ending, "_BATCH", 2)
    own = [start(user_id="ada") for _ in range(5)]
    others = [start(user_id="bob"), start()]
    expired = store(2 * DAY, user_id=TrackingSession.objects.get(pk=own[0][0]).user_id)
    sessions.end([own[0][1]])
    assert sessions.end_all("ada") == 4
    assert sessions.end_all("ada") == 0
    assert [is_valid(token) for _, token in own + others] == [False] * 5 + [True] * 2
    assert not EndedSession.objects.filter(pk=expired.pk).exists()
    assert sorted(pk for pk, _, _ in heard) == sorted(pk for pk, _ in own)


@pytest.mark.parametrize("ends", [sessions.end_by_id, lambda pk: sessions.end_all("ada")])
def test_an_end_that_cannot_be_stored_is_reported(ends, heard):
    pk, token = start(user_id="ada")
    for away in (store_down(), sql_refused("jay_ended_session")):
        with away, pytest.raises(StoreUnavailable):
            ends(pk)
    assert is_valid(token)
    assert heard == []


def test_a_callers_rollback_undoes_an_end(heard):
    pk, token = start(user_id="ada")
    with transaction.atomic():
        assert sessions.end_by_id(pk)
        transaction.set_rollback(True)
    with transaction.atomic():
        assert sessions.end_all("ada") == 1
        transaction.set_rollback(True)
    assert is_valid(token)
    assert heard == []


def test_an_operators_end_is_a_duration():
    row = store(datetime.timedelta(hours=2))
    sessions.end_by_id(row.pk)
    list(rollups.run())
    today = timezone.now().date()
    assert statistics.total(statistics.Filters(), today - DAY, today + DAY).ended == 1


def command(*words):
    out, err = io.StringIO(), io.StringIO()
    call_command("jay_end_sessions", *words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_command_ends_the_sessions_it_is_told():
    (first, token), (second, other), (_, left) = (
        start(user_id="ada"),
        start(user_id="ada"),
        start(user_id="bob"),
    )
    assert command(str(first), second.hex) == ("2 sessions ended.\n", "")
    assert [is_valid(one) for one in (token, other, left)] == [False, False, True]
    out, err = command(str(first))
    assert out == "0 sessions ended.\n"
    assert err.endswith("had ended or expired before.\n")
    assert str(first) not in err
    assert command("--user", " bob ") == ("1 session ended.\n", "")


def test_the_command_refuses_an_id_that_no_session_can_have():
    with pytest.raises(CommandError, match=r"must be a UUID of version 7"):
        command("6f1b2c3d-0000-4000-8000-000000000000")
    assert not EndedSession.objects.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Give session ids or --user"),
        (["--user", "ada", "01a22e2d-eaf1-7649-8000-000000000001"], "Give session ids or --user"),
        (["--user", ""], "Nobody can have this user id"),
        (["nonsense"], "must be a UUID"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(words, said):
    with pytest.raises(CommandError, match=said):
        command(*words)


@pytest.mark.parametrize("lifetime", [None, 2 * DAY])
def test_the_end_of_a_deleted_session_stays_while_its_token_may_be_valid(setting, lifetime):
    setting(SESSION_LIFETIME=lifetime)
    old, ended, young = store(3 * DAY), store(DAY), store(DAY)
    end(timezone.now(), old, ended)
    assert TrackingSession.objects.all().delete() == (3, {"jay_sessions.TrackingSession": 3})
    left = dict(EndedSession.objects.values_list("pk", "reason"))
    expected = dict.fromkeys([ended.pk, young.pk, *([] if lifetime else [old.pk])], Reason.DELETED)
    assert left == expected
    setting(SESSION_LIFETIME=lifetime and DAY / 2)
    store(datetime.timedelta()).delete()
    assert EndedSession.objects.count() == (1 if lifetime else 4)


def test_a_deletion_that_is_undone_ends_nothing():
    pk, token = start()
    with transaction.atomic():
        TrackingSession.objects.filter(pk=pk).delete()
        transaction.set_rollback(True)
    assert is_valid(token)


def test_a_deletion_in_batches_ends_each_session(monkeypatch):
    monkeypatch.setattr("jay_sessions.models.deletions._BATCH", 2)
    tokens = [start()[1] for _ in range(5)]
    TrackingSession.objects.order_by("playout_id").delete()
    assert not any(map(is_valid, tokens))
    with pytest.raises(TypeError):
        TrackingSession.objects.all()[:2].delete()


def test_a_purge_leaves_no_end(setting):
    setting(SESSION_LIFETIME=2 * DAY, RETENTION=5 * DAY)
    old, ended, kept = store(9 * DAY), store(8 * DAY), store(DAY)
    end(timezone.now(), ended, kept)
    with_row, gone = store(4 * DAY), store(3 * DAY)
    end(timezone.now(), with_row)
    setting(SESSION_LIFETIME=4 * DAY, RETENTION=5 * DAY)
    gone.delete()
    setting(SESSION_LIFETIME=2 * DAY, RETENTION=5 * DAY)
    call_command("jay_purge_sessions", stdout=io.StringIO(), stderr=io.StringIO())
    assert not TrackingSession.objects.filter(pk__in=[old.pk, ended.pk]).exists()
    # The deleted one has expired; the others have their sessions.
    assert set(EndedSession.objects.values_list("pk", flat=True)) == {kept.pk, with_row.pk}
    assert retention.purge_limit() is not None


@pytest.fixture
def serializable():
    """Transactions of this thread are serializable."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time.")
    isolation = pytest.importorskip("psycopg").IsolationLevel
    connection.ensure_connection()
    connection.connection.isolation_level = isolation.SERIALIZABLE
    yield
    connection.close()


def first_end_elsewhere(patch, owner, name, session_id):
    """Let a client end the session in the middle of a transaction: at its first call of this function."""
    use, calls = getattr(owner, name), []

    def store_end():
        with elsewhere():
            end(timezone.now(), session_id)
        connections.close_all()

    def after_the_client(*args, **kwargs):
        calls.append(1)
        if len(calls) == 1:
            # Now the transaction has its snapshot.
            assert TrackingSession.objects.exists()
            client = threading.Thread(target=store_end)
            client.start()
            client.join(30)
        return use(*args, **kwargs)

    patch.setattr(owner, name, after_the_client)


@pytest.mark.parametrize("recorder", ["direct", "group"])
def test_an_operator_who_ends_what_a_client_ends_tries_again(
    setting, monkeypatch, recorder, heard, serializable
):
    setting(RECORDER=recorder)
    (first, _), (second, _) = start(), start()
    first_end_elsewhere(monkeypatch, statements, "end", first)
    assert sum(ending.end_each(TrackingSession.objects.order_by("session_id"))) == 1
    assert [pk for pk, *_ in heard] == [second]


def test_an_operator_who_deletes_what_a_client_ends_tries_again(monkeypatch, serializable):
    (first, _), _ = start(), start()
    first_end_elsewhere(monkeypatch, deletions, "end_deleted", first)
    assert sum(TrackingSession.objects.order_by("session_id").delete_in_batches(10)) == 2
    assert {*EndedSession.objects.values_list("reason", flat=True)} == {Reason.DELETED}
