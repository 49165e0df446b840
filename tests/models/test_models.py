import contextlib
import datetime
import hashlib

import psycopg
import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from jay_sessions.core.uuid7 import uuid7
from jay_sessions.models import ApiKey, LinkedZephrSession, Scope, TrackingSession
from jay_sessions.models.api_keys import LAST_USE_RETRY
from jay_sessions.models.rollups import DailyCount, Dimension

from ..support.ends import end

pytestmark = pytest.mark.django_db

NOON = datetime.datetime(2025, 9, 2, 12, 0, 0, 500_000, tzinfo=datetime.UTC)
MICROSECOND = datetime.timedelta(microseconds=1)
MINUTE = datetime.timedelta(minutes=1)


def row(started_at=NOON, bits=1, **fields):
    fields = {"playout_id": "netflix-de:1", "source": "here", **fields}
    return TrackingSession(session_id=uuid7(started_at, bits), started_at=started_at, **fields)


def stored(*args, ended_at=None, **fields):
    session = row(*args, **fields)
    session.save(force_insert=True)
    end(ended_at, session)
    return session


def test_the_migrations_make_the_models():
    call_command("makemigrations", "jay_sessions", check=True, dry_run=True, verbosity=0)


def test_an_ended_session_is_not_open():
    open_, ended = stored(), stored(bits=2, ended_at=NOON)
    assert list(TrackingSession.objects.open()) == [open_]
    assert list(TrackingSession.objects.ended()) == [ended]


def test_times_are_asked_for_exactly_to_the_microsecond():
    before, last_of_before = stored(NOON - MICROSECOND, 0), stored(NOON - MICROSECOND, 2**62 - 1)
    at, last_at = stored(NOON, 0), stored(NOON, 2**62 - 1)
    after = stored(NOON + MICROSECOND, 0)
    assert set(TrackingSession.objects.started_from(NOON)) == {at, last_at, after}
    assert set(TrackingSession.objects.started_before(NOON)) == {before, last_of_before}
    both = TrackingSession.objects.started_from(NOON).started_before(NOON + MICROSECOND)
    assert set(both) == {at, last_at}


def test_each_microsecond_of_a_millisecond_is_told_apart():
    for session in [stored(NOON + us * MICROSECOND, us) for us in range(0, 1001, 77)]:
        from_then_on = TrackingSession.objects.started_from(session.started_at)
        assert list(from_then_on.started_before(session.started_at + MICROSECOND)) == [session]


def test_active_and_expired_share_out_what_is_open():
    rows = {us: stored(NOON + us * MICROSECOND, 5) for us in (-1, 0, 1)}
    stored(NOON + MICROSECOND, 6, ended_at=NOON)
    stored(NOON - MICROSECOND, 6, ended_at=NOON)
    active = set(TrackingSession.objects.active(NOON))
    expired = set(TrackingSession.objects.expired(NOON))
    assert rows[1] in active
    assert rows[-1] in expired
    assert not active & expired
    assert active | expired == set(rows.values())


def test_without_a_lifetime_what_is_open_is_active_and_nothing_expires():
    session = stored(NOON - datetime.timedelta(days=9999))
    stored(bits=2, ended_at=NOON)
    assert list(TrackingSession.objects.active(None)) == [session]
    assert list(TrackingSession.objects.expired(None)) == []


def test_sessions_come_newest_first():
    rows = [stored(NOON + us * MICROSECOND) for us in (5, 0, 1000, -7)]
    assert list(TrackingSession.objects.all()) == sorted(rows, key=lambda r: r.started_at, reverse=True)


def linked(number, browser):
    return LinkedZephrSession(zephr_session_id=str(number), browser=browser, claimed_at=NOON)


def test_distinct_values_are_sorted_without_none_and_limited():
    browsers = ["zdf", "arte", None, "netflix", "arte", None, "zdf", "3sat"]
    LinkedZephrSession.objects.bulk_create(map(linked, range(len(browsers)), browsers))
    assert LinkedZephrSession.objects.distinct_values("browser") == ["3sat", "arte", "netflix", "zdf"]
    assert LinkedZephrSession.objects.distinct_values("browser", limit=2) == ["3sat", "arte"]


def test_distinct_values_of_nothing_are_none():
    assert LinkedZephrSession.objects.distinct_values("browser") == []
    linked(1, None).save()
    assert LinkedZephrSession.objects.distinct_values("browser") == []


def test_distinct_values_hop_from_one_to_the_next_however_many_rows_there_are(django_assert_num_queries):
    LinkedZephrSession.objects.bulk_create(linked(number, f"p{number % 3}") for number in range(300))
    with django_assert_num_queries(1):
        assert LinkedZephrSession.objects.distinct_values("browser") == ["p0", "p1", "p2"]


def test_distinct_values_are_those_of_some_rows():
    names = {Dimension.PROVIDER: ["zdf", "arte"], Dimension.SOURCE: ["bbc", "here"]}
    for kind, values in names.items():
        for name in values:
            numbers = {"sessions": 1, "ended": 0, "ended_duration": datetime.timedelta()}
            DailyCount.objects.create(kind=kind, name=name, day=NOON.date(), **numbers)
    assert DailyCount.objects.distinct_values("name", kind=Dimension.PROVIDER) == ["arte", "zdf"]
    assert DailyCount.objects.distinct_values("name", kind=Dimension.DEVICE) == []


@pytest.fixture
def many_rows():
    TrackingSession.objects.bulk_create(
        (
            row(
                NOON + number * datetime.timedelta(seconds=1),
                number,
                playout_id=f"provider{number % 75}-1",
                provider_name=f"provider{number % 75}",
                user_id=f"user-{number % 50}" if number % 3 else None,
            )
            for number in range(6000)
        ),
        batch_size=1000,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@pytest.mark.parametrize(
    ("field", "value", "index"),
    [
        ("user_id", "user-7", "jay_session_user"),
        ("playout_id", "provider7-1", "jay_session_playout"),
    ],
    ids=["user_id", "playout_id"],
)
def test_the_newest_rows_of_a_value_are_found_by_its_index_without_sorting(many_rows, field, value, index):
    queryset = TrackingSession.objects.filter(**{field: value}).order_by("-session_id")[:5]
    assert len(queryset) == 5
    plan = queryset.explain()
    assert index in plan
    assert "Sort" not in plan  # PostgreSQL
    assert "TEMP B-TREE" not in plan  # SQLite
    assert "Seq Scan" not in plan


def test_a_period_of_a_value_is_found_by_the_same_index(many_rows):
    queryset = TrackingSession.objects.filter(user_id="user-7").started_from(NOON + 30 * MINUTE)
    plan = queryset.started_before(NOON + 60 * MINUTE).order_by("-session_id").explain()
    assert "jay_session_user" in plan
    assert "TEMP B-TREE" not in plan


def test_the_newest_rows_are_read_off_the_primary_key(many_rows):
    plan = TrackingSession.objects.order_by("-session_id")[:20].explain()
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan


def test_a_session_is_shown_by_its_shortened_id():
    session = row(user_id="private")
    text = str(session.session_id)
    assert str(session) == f"{text[:8]}…{text[-8:]}"
    assert "private" not in repr(session)
    assert text not in repr(session)


def test_a_new_key_is_for_tracking_on_all_playouts_for_ever():
    key, text = ApiKey.objects.issue("partner")
    key.refresh_from_db()
    assert (key.name, key.scopes, key.playouts) == ("partner", ["tracking"], ["*"])
    assert (key.expires_at, key.revoked_at, key.last_used_at) == (None, None, None)
    assert key.prefix == text[:12]
    assert key.digest == hashlib.sha256(text.encode()).hexdigest()


def test_the_text_of_a_key_is_nowhere_but_in_the_answer():
    key, text = ApiKey.objects.issue("partner")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM jay_api_key")
        whole = repr(cursor.fetchall())
    for shown in (whole, repr(key), str(key), repr(vars(key)), f"{key!r}"):
        assert text not in shown
        assert text[12:] not in shown
        assert text[13:] not in shown


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"name": ""}, id="no_name"),
        pytest.param({"name": "a" * 101}, id="long_name"),
        pytest.param({"scopes": []}, id="no_scope"),
        pytest.param({"scopes": ["trackin"]}, id="unknown_scope"),
        pytest.param({"scopes": ["tracking", "tracking"]}, id="scope_twice"),
        pytest.param({"scopes": "tracking"}, id="scope_as_text"),
        pytest.param({"scopes": [["tracking"]]}, id="scope_in_a_list"),
        pytest.param({"scopes": None}, id="null_scopes"),
        pytest.param({"scopes": {"tracking": True}}, id="scopes_as_object"),
        pytest.param({"playouts": []}, id="no_pattern"),
        pytest.param({"playouts": "*"}, id="pattern_as_text"),
        pytest.param({"playouts": [""]}, id="empty_pattern"),
        pytest.param({"playouts": ["a" * 256]}, id="long_pattern"),
        pytest.param({"playouts": ["*"] * 101}, id="101_patterns"),
        pytest.param({"playouts": [5]}, id="number_as_pattern"),
        pytest.param({"playouts": [None]}, id="null_pattern"),
        pytest.param({"playouts": None}, id="null_patterns"),
        pytest.param({"playouts": ["netflix\0"]}, id="nul_in_pattern"),
        pytest.param({"playouts": ["netflix\ud800"]}, id="lone_surrogate_in_pattern"),
    ],
)
def test_a_key_that_cannot_be_is_refused(fields):
    with pytest.raises(ValidationError):
        ApiKey.objects.issue(**{"name": "partner", **fields})
    assert not ApiKey.objects.exists()


def test_keys_are_revoked_once_and_for_good():
    first, _ = ApiKey.objects.issue("first")
    ApiKey.objects.issue("second")
    assert ApiKey.objects.filter(name="first").revoke() == 1
    first.refresh_from_db()
    moment = first.revoked_at
    assert ApiKey.objects.revoke() == 1
    assert ApiKey.objects.revoke() == 0
    first.refresh_from_db()
    assert first.revoked_at == moment


def test_a_key_lives_until_exactly_its_expiry():
    key = ApiKey(expires_at=NOON)
    assert key.is_live(NOON - MICROSECOND)
    assert not key.is_live(NOON)
    assert not key.is_live(NOON + MICROSECOND)
    assert ApiKey().is_live(NOON)
    assert not ApiKey(revoked_at=NOON).is_live(NOON - MINUTE)


def test_the_use_of_a_key_is_noted_at_most_once_a_minute(django_assert_num_queries):
    key, _ = ApiKey.objects.issue("partner")
    ApiKey.objects.note_use(key, NOON)
    key.refresh_from_db()
    assert key.last_used_at == NOON
    with django_assert_num_queries(0):
        ApiKey.objects.note_use(key, NOON + MINUTE - MICROSECOND)
    ApiKey.objects.note_use(key, NOON + MINUTE)
    key.refresh_from_db()
    assert key.last_used_at == NOON + MINUTE


def test_who_knows_only_of_an_older_use_writes_nothing():
    key, _ = ApiKey.objects.issue("partner")
    ApiKey.objects.note_use(key, NOON)  # `key` itself still says that it was never used.
    ApiKey.objects.note_use(key, NOON + MINUTE - MICROSECOND)
    key.refresh_from_db()
    assert key.last_used_at == NOON


def test_noting_a_use_leaves_other_keys_alone():
    key, _ = ApiKey.objects.issue("partner")
    other, _ = ApiKey.objects.issue("other")
    ApiKey.objects.note_use(key, NOON)
    other.refresh_from_db()
    assert other.last_used_at is None


def test_deleting_a_key_leaves_its_sessions():
    key, _ = ApiKey.objects.issue("partner")
    session, number = stored(api_key=key), key.pk
    key.delete()
    session.refresh_from_db()
    assert session.api_key_id == number
    assert TrackingSession.objects.count() == 1


def test_deleting_all_keys_at_once_leaves_the_sessions():
    for name in ("first", "second"):
        stored(bits=len(name), api_key=ApiKey.objects.issue(name)[0])
    ApiKey.objects.all().delete()
    assert TrackingSession.objects.count() == 2


def test_a_session_of_a_key_that_is_gone_can_be_stored():
    stored(api_key=ApiKey(pk=987654))
    assert TrackingSession.objects.get().api_key_id == 987654


def test_a_key_has_the_scopes_and_patterns_it_was_given():
    key = ApiKey(scopes=["tracking", "zephr"], playouts=["netflix-*", "zdf"])
    assert [scope for scope in Scope if key.has_scope(scope)] == [Scope.TRACKING, Scope.ZEPHR]
    assert key.may_use("netflix-de")
    assert key.may_use("zdf")
    assert not key.may_use("zdf-1")
    assert not key.may_use("Netflix-de")


def test_the_longest_values_fit_the_table():
    text = "😀" * 255
    session = stored(playout_id=text, provider_name=text, user_id=text, source=text, ended_at=timezone.now())
    session.refresh_from_db()
    assert (session.playout_id, session.provider_name, session.user_id, session.source) == (text,) * 4


def test_an_id_is_stored_once():
    stored()
    with pytest.raises(IntegrityError), transaction.atomic():
        stored()
    assert TrackingSession.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_noting_a_use_waits_for_nobody(tmp_path):
    key, _ = ApiKey.objects.issue("partner")
    if connection.vendor == "postgresql":
        other = psycopg.connect(**connection.get_connection_params(), autocommit=True)
        other.execute("BEGIN")
        other.execute("SELECT 1 FROM jay_api_key FOR UPDATE")
    else:
        pytest.skip("An SQLite in memory is not shared with another connection.")
    with contextlib.closing(other):
        ApiKey.objects.note_use(key, NOON)
        assert ApiKey.objects.get().last_used_at is None
        # Closed alone, it may hold the row for a moment longer.
        other.execute("ROLLBACK")
    later = NOON + LAST_USE_RETRY
    ApiKey.objects.note_use(key, later - MICROSECOND)
    assert ApiKey.objects.get().last_used_at is None
    ApiKey.objects.note_use(key, later)
    assert ApiKey.objects.get().last_used_at == later


def test_a_use_that_a_clock_far_ahead_has_noted_is_noted_anew():
    key, _ = ApiKey.objects.issue("test")
    ApiKey.objects.note_use(key, NOON + datetime.timedelta(days=10))
    assert not key.was_used_recently(NOON)
    ApiKey.objects.note_use(key, NOON)
    key.refresh_from_db()
    assert key.last_used_at == NOON
    assert key.was_used_recently(NOON - datetime.timedelta(minutes=30))
