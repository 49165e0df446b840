import datetime
import uuid

import pytest
import time_machine
from django.db import connection, transaction
from django.utils import timezone

from jay_sessions import conf, sessions
from jay_sessions.conf.settings import IGNORED_USER_IDS
from jay_sessions.core import tokens
from jay_sessions.core.uuid7 import moment_of, uuid7
from jay_sessions.exceptions import InvalidPlayoutId, InvalidUserId, NoSession, StoreUnavailable
from jay_sessions.models import ApiKey, EndedSession, TrackingSession
from jay_sessions.signals import session_ended, session_started

from .conftest import EXAMPLE_TOKEN, PLAYOUT, sql_refused, store_down, unsigned

pytestmark = pytest.mark.django_db

NOON = datetime.datetime(2025, 9, 2, 12, 0, 0, 123_456, tzinfo=datetime.UTC)
MICROSECOND = datetime.timedelta(microseconds=1)
HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def heard():
    """The signals that were sent, as (signal, session), and whether the row was committed by then."""
    events = []

    def hear(sender, signal, session, **kwargs):
        events.append((signal, session, connection.in_atomic_block))

    for signal in (session_started, session_ended):
        signal.connect(hear)
    yield events
    for signal in (session_started, session_ended):
        signal.disconnect(hear)


def sign(**changes):
    """A token signed with the site's key, of a session that was never stored."""
    members = {"session_id": str(uuid7(NOON, 9)), "start_time": NOON, "source": "here", **changes}
    return tokens.encode(tokens.Token(**members), conf.get().signing_keys[0])


def test_a_started_session_is_a_row_and_a_token_that_say_the_same():
    key, _ = ApiKey.objects.issue("partner")
    with time_machine.travel(NOON, tick=False):
        started = sessions.start(PLAYOUT, " user-1 ", api_key=key)
    row = TrackingSession.objects.get()
    assert started.token == tokens.decode(started.encoded, conf.get().signing_keys)
    assert started.token.signed
    assert started.token.session_id == str(row.session_id)
    assert started.token.start_time == row.started_at == moment_of(row.session_id) == NOON
    assert started.token.source == row.source == "jay.api.playout.1.0.0"
    assert started.token.user_id == row.user_id == "user-1"
    assert started.token.provider_name == row.provider_name == "netflix"
    assert (row.playout_id, row.api_key, row.ended_at) == (PLAYOUT, key, None)


def test_a_session_needs_neither_user_nor_key_nor_provider():
    started = sessions.start("123")
    row = TrackingSession.objects.get()
    assert (row.user_id, row.provider_name, row.api_key) == (None, None, None)
    assert (started.token.user_id, started.token.provider_name) == (None, None)


def test_each_start_is_another_session():
    assert sessions.start(PLAYOUT).token.session_id != sessions.start(PLAYOUT).token.session_id
    assert TrackingSession.objects.count() == 2


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        pytest.param(("",), InvalidPlayoutId, id="no_playout"),
        pytest.param(("a\0",), InvalidPlayoutId, id="nul_in_playout"),
        pytest.param(("a" * 256,), InvalidPlayoutId, id="long_playout"),
        pytest.param((PLAYOUT, 5), InvalidUserId, id="number_as_user"),
        pytest.param((PLAYOUT, "a\nb"), InvalidUserId, id="line_feed_in_user"),
        pytest.param((PLAYOUT, "a" * 256), InvalidUserId, id="long_user"),
        pytest.param((PLAYOUT, "😀" * 255), InvalidUserId, id="token_too_long_for_a_cookie"),
    ],
)
def test_what_cannot_be_stored_is_refused_and_nothing_happens(heard, arguments, error):
    with pytest.raises(error):
        sessions.start(*arguments)
    assert not TrackingSession.objects.exists()
    assert heard == []


def test_a_site_may_name_the_source_and_the_providers(setting):
    setting(SOURCE="elsewhere", PROVIDER_NAMES={"nflx*": "netflix", "x*": None})
    assert sessions.start("nflx-1").token.source == "elsewhere"
    assert sessions.start("nflx-1").token.provider_name == "netflix"
    assert sessions.start("x-1").token.provider_name is None


def test_a_site_may_resolve_the_provider(setting):
    setting(PROVIDER_RESOLVER=lambda playout_id: playout_id.upper())
    assert sessions.start("zdf").token.provider_name == "ZDF"


@pytest.mark.parametrize("user_id", IGNORED_USER_IDS)
def test_a_user_id_that_client_code_sends_by_mistake_is_none(user_id):
    assert sessions.start(PLAYOUT, user_id).token.user_id is None
    assert sessions.start(PLAYOUT, f" {user_id}\n").token.user_id is None
    assert set(TrackingSession.objects.values_list("user_id", flat=True)) == {None}


@pytest.mark.parametrize("user_id", ["Undefined", "NULL", "nan", "none", "[object object]", "undefined-1"])
def test_a_user_id_that_is_written_in_another_way_is_one(user_id):
    assert sessions.start(PLAYOUT, user_id).token.user_id == user_id


def test_the_site_says_which_user_ids_are_ignored(setting):
    setting(IGNORED_USER_IDS=["guest"])
    assert sessions.start(PLAYOUT, "guest").token.user_id is None
    assert sessions.start(PLAYOUT, "undefined").token.user_id == "undefined"
    setting(IGNORED_USER_IDS=[])
    assert sessions.start(PLAYOUT, "guest").token.user_id == "guest"


def test_a_session_is_read_from_the_first_candidate_that_is_valid():
    first, second = sessions.start(PLAYOUT, "first"), sessions.start(PLAYOUT, "second")
    assert sessions.read([first.encoded, second.encoded]) == first.token
    assert sessions.read(["garbage", second.encoded, first.encoded]) == second.token
    sessions.end([first.encoded])
    assert sessions.read([first.encoded, second.encoded]) == second.token


@pytest.mark.parametrize("candidates", [[], [""], ["garbage", "{}"]], ids=["none", "empty", "garbage"])
def test_without_a_valid_candidate_there_is_no_session(candidates):
    with pytest.raises(NoSession):
        sessions.read(candidates)


def test_a_rightly_signed_token_is_valid_though_its_row_is_gone():
    started = sessions.start(PLAYOUT)
    TrackingSession.objects.all().drop()
    assert sessions.read([started.encoded]) == started.token


def test_an_unsigned_token_is_valid_unless_signatures_are_required(setting):
    assert sessions.read([EXAMPLE_TOKEN]).session_id == "example-session-id-1234"
    setting(REQUIRE_SIGNED_TOKENS=True)
    with pytest.raises(NoSession):
        sessions.read([EXAMPLE_TOKEN])
    started = sessions.start(PLAYOUT)
    assert sessions.read([EXAMPLE_TOKEN, started.encoded]) == started.token


def test_an_old_secret_still_verifies_and_the_new_one_signs(settings):
    settings.SECRET_KEY = "old"
    started = sessions.start(PLAYOUT)
    settings.SECRET_KEY = "new"
    with pytest.raises(NoSession):
        sessions.read([started.encoded])
    settings.SECRET_KEY_FALLBACKS = ["old"]
    assert sessions.read([started.encoded]) == started.token
    assert sessions.end([started.encoded]) == 1
    renewed = sessions.start(PLAYOUT)
    settings.SECRET_KEY_FALLBACKS = []
    assert sessions.read([renewed.encoded]) == renewed.token


def is_valid(candidate) -> bool:
    try:
        sessions.read([candidate])
    except NoSession:
        return False
    return True


@pytest.mark.parametrize("kind", ["signed", "unsigned"])
def test_a_session_older_than_the_lifetime_is_not_valid(setting, kind):
    setting(SESSION_LIFETIME=HOUR)
    time = "2025-09-02T12:00:00.123456"
    candidate = sign() if kind == "signed" else unsigned(start_time=time)
    with time_machine.travel(NOON + HOUR - MICROSECOND, tick=False):
        assert is_valid(candidate)
    with time_machine.travel(NOON + HOUR + MICROSECOND, tick=False):
        assert not is_valid(candidate)


@pytest.mark.parametrize("microseconds", [-1, 0, 1])
def test_the_table_calls_active_what_a_reader_takes_for_valid(setting, microseconds):
    setting(SESSION_LIFETIME=HOUR)
    with time_machine.travel(NOON, tick=False):
        started = sessions.start(PLAYOUT)
    with time_machine.travel(NOON + HOUR + microseconds * MICROSECOND, tick=False):
        active = TrackingSession.objects.active(conf.get().expired_until(timezone.now()))
        assert active.exists() == is_valid(started.encoded)


def test_without_a_lifetime_a_session_never_expires():
    with time_machine.travel(NOON, tick=False):
        started = sessions.start(PLAYOUT)
    with time_machine.travel(NOON + datetime.timedelta(days=36500), tick=False):
        assert is_valid(started.encoded)


def test_an_ended_session_is_not_valid():
    started = sessions.start(PLAYOUT)
    assert sessions.end([started.encoded]) == 1
    assert not is_valid(started.encoded)


def test_a_session_ends_once():
    started = sessions.start(PLAYOUT)
    with time_machine.travel(NOON, tick=False):
        assert sessions.end([started.encoded]) == 1
    with time_machine.travel(NOON + HOUR, tick=False):
        assert sessions.end([started.encoded]) == 0
    assert TrackingSession.objects.get().ended_at == NOON


def test_of_two_that_end_a_session_at_the_same_time_one_does():
    started = sessions.start(PLAYOUT)
    others = []

    def may_end(playout_id):
        with time_machine.travel(NOON, tick=False):
            others.append(sessions.end([started.encoded]))
        return True

    assert sessions.end([started.encoded], may_end) == 0
    assert others == [1]
    assert TrackingSession.objects.get().ended_at == NOON


def test_all_candidates_are_ended_together_and_no_other_session():
    both = [sessions.start(PLAYOUT).encoded for _ in range(2)]
    other = sessions.start(PLAYOUT)
    assert sessions.end([both[0], "garbage", EXAMPLE_TOKEN, both[1], both[0]]) == 2
    assert [row.ended_at for row in TrackingSession.objects.open()] == [None]
    assert is_valid(other.encoded)


def test_only_what_the_caller_may_end_is_ended():
    mine, theirs = sessions.start("mine-1"), sessions.start("theirs-1")
    asked = []

    def may_end(playout_id):
        asked.append(playout_id)
        return playout_id == "mine-1"

    assert sessions.end([mine.encoded, theirs.encoded], may_end) == 1
    assert sorted(asked) == ["mine-1", "theirs-1"]
    assert not is_valid(mine.encoded)
    assert is_valid(theirs.encoded)


def test_a_session_that_no_host_takes_for_valid_is_not_ended(setting):
    setting(SESSION_LIFETIME=1)
    with time_machine.travel(NOON, tick=False):
        started = sessions.start(PLAYOUT)
    just_over = NOON + datetime.timedelta(minutes=59)
    for moment, ends in ((just_over, 1), (NOON + datetime.timedelta(hours=2), 0)):
        EndedSession.objects.all().delete()
        with time_machine.travel(moment, tick=False):
            assert sessions.end([started.encoded]) == ends
        assert EndedSession.objects.count() == ends


def test_nothing_is_ended_without_a_candidate(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert sessions.end([]) == sessions.end(["garbage", EXAMPLE_TOKEN]) == 0


@pytest.mark.parametrize(
    "value", [uuid7(NOON, 1), uuid.UUID(int=uuid7(NOON, 1).int, version=4)], ids=["version_7", "version_4"]
)
def test_an_unsigned_token_never_changes_a_row(value):
    TrackingSession.objects.create(session_id=value, playout_id=PLAYOUT, source="here", started_at=NOON)
    assert sessions.end([unsigned(session_id=str(value)), unsigned(session_id=value.hex)]) == 0
    assert TrackingSession.objects.open().count() == 1


def test_reading_an_unsigned_token_creates_no_row(django_assert_num_queries):
    with django_assert_num_queries(0):
        sessions.read([EXAMPLE_TOKEN])
    assert not TrackingSession.objects.exists()


def test_a_session_without_a_row_is_ended_unless_its_playout_matters():
    assert sessions.end([sign()], lambda playout_id: True) == 0
    assert [sessions.end([sign()]), sessions.end([sign()])] == [1, 0]
    assert not TrackingSession.objects.exists()
    with pytest.raises(NoSession):
        sessions.read([sign()])


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda: sessions.start(PLAYOUT), id="start"),
        pytest.param(lambda: sessions.read([sign()]), id="read"),
        pytest.param(lambda: sessions.end([sign()]), id="end"),
    ],
)
def test_without_the_database_the_store_is_unavailable(heard, use):
    with store_down(), pytest.raises(StoreUnavailable) as caught:
        use()
    assert caught.value.__cause__ is not None
    assert caught.value.retryable
    assert heard == []


def test_an_unsigned_session_is_read_without_the_database():
    with store_down():
        assert sessions.read([EXAMPLE_TOKEN]).source == "jay.api.playout.example"
        assert sessions.end([EXAMPLE_TOKEN]) == 0


@pytest.mark.django_db(transaction=True)
def test_an_insert_that_fails_ends_nothing():
    started = sessions.start(PLAYOUT)
    with sql_refused("jay_ended_session"), pytest.raises(StoreUnavailable):
        sessions.end([started.encoded])
    assert TrackingSession.objects.open().count() == 1


def test_a_table_that_is_missing_is_no_unavailable_store():
    from django.db import DatabaseError, ProgrammingError

    def broken(execute, sql, params, many, context):
        raise ProgrammingError('relation "jay_tracking_session" does not exist')

    with connection.execute_wrapper(broken), pytest.raises(DatabaseError):
        sessions.start(PLAYOUT)


@pytest.mark.django_db(transaction=True)
def test_signals_go_out_after_the_commit(heard):
    started = sessions.start(PLAYOUT, "user-1")
    sessions.end([started.encoded])
    sessions.end([started.encoded])
    assert [signal for signal, _, _ in heard] == [session_started, session_ended]
    assert [str(session.pk) for _, session, _ in heard] == [started.token.session_id] * 2
    assert [within for _, _, within in heard] == [False, False]
    assert heard[0][1].user_id == "user-1"
    assert heard[1][1].ended_at == TrackingSession.objects.get().ended_at


@pytest.mark.django_db(transaction=True)
def test_inside_a_callers_transaction_signals_wait_for_its_commit(heard):
    with transaction.atomic():
        started = sessions.start(PLAYOUT)
        assert sessions.read([started.encoded]) == started.token
        sessions.end([started.encoded])
        assert heard == []
    assert [signal for signal, _, _ in heard] == [session_started, session_ended]


@pytest.mark.django_db(transaction=True)
def test_a_caller_that_rolls_back_has_started_and_ended_nothing(heard):
    earlier = sessions.start(PLAYOUT)
    heard.clear()
    with transaction.atomic():
        sessions.start(PLAYOUT)
        assert sessions.end([earlier.encoded]) == 1
        transaction.set_rollback(True)
    assert heard == []
    assert TrackingSession.objects.get().ended_at is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("signal", [session_started, session_ended], ids=["started", "ended"])
def test_a_receiver_that_raises_changes_nothing(heard, caplog, signal):
    def fail(**kwargs):
        raise ZeroDivisionError("a receiver of the site's")

    signal.connect(fail)
    try:
        started = sessions.start(PLAYOUT)
        assert sessions.end([started.encoded]) == 1
    finally:
        signal.disconnect(fail)
    assert [seen for seen, _, _ in heard] == [session_started, session_ended]
    assert TrackingSession.objects.ended().count() == 1
    assert "ZeroDivisionError" in caplog.text
