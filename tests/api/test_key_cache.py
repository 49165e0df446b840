"""Keys that a process remembers: for seconds, never past a change of its own, never past their expiry."""

import datetime
import time

import pytest
import time_machine
from django.db import connection, transaction
from django.test import Client

from jay_sessions.api import authentication, key_cache
from jay_sessions.core import key_text
from jay_sessions.exceptions import StoreUnavailable
from jay_sessions.models import ApiKey

from ..conftest import EXAMPLE_TOKEN, PATH, error_of, sql_refused
from ..support import servers

pytestmark = pytest.mark.django_db

TOKEN = {"X-JAY-TRACKING": EXAMPLE_TOKEN}


@pytest.fixture(autouse=True)
def _nothing_is_known():
    key_cache.forget()
    yield
    key_cache.forget()


def status(text: str) -> int:
    return Client(headers={"X-API-Key": text, **TOKEN}).get(PATH).status_code


def test_a_key_is_found_by_its_text_revoked_or_not():
    key, text = ApiKey.objects.issue("partner")
    ApiKey.objects.issue("another")
    assert key_cache.find(text) == key
    ApiKey.objects.revoke()
    assert key_cache.find(text) == key


def test_a_text_that_is_no_key_is_not_looked_up(django_assert_num_queries):
    _, text = ApiKey.objects.issue("partner")
    with django_assert_num_queries(0):
        for other in ("", text[:-1], text + "\n", text.upper(), "ä", "\0", "\ud800"):
            assert key_cache.find(other) is None


def test_an_unknown_key_is_not_found():
    _, text = ApiKey.objects.issue("partner")
    other = text[:-1] + ("A" if text[-1] != "A" else "B")
    assert key_cache.find(other) is None


def test_a_key_is_found_over_an_index_with_one_query(django_assert_num_queries):
    _, text = ApiKey.objects.issue("partner")
    with django_assert_num_queries(1):
        key_cache.find(text)


def test_a_key_is_looked_up_once_and_then_known(issue_key, django_assert_num_queries):
    text = issue_key()
    assert status(text) == 200
    with django_assert_num_queries(0):
        assert status(text) == 200


def test_a_key_is_looked_up_again_after_its_seconds(issue_key, monkeypatch, django_assert_num_queries):
    text = issue_key()
    assert status(text) == 200
    later = time.monotonic() + key_cache.MAX_AGE
    monkeypatch.setattr(key_cache, "monotonic", lambda: later)
    with django_assert_num_queries(1):
        assert status(text) == 200


def test_the_seconds_count_from_before_the_query(issue_key, monkeypatch):
    text = issue_key()
    times = iter([100.0, 102.4, 102.6])
    monkeypatch.setattr(key_cache, "monotonic", lambda: next(times))
    first = key_cache.find(text)
    assert key_cache.find(text) is first
    assert key_cache.find(text) is not first


def test_one_asks_again_early_while_others_go_on_with_what_is_known(issue_key, monkeypatch):
    text, now = issue_key(), 100.0
    monkeypatch.setattr(key_cache, "monotonic", lambda: now)
    first = key_cache.find(text)
    assert known(text) is first
    now = 103.0
    assert [known(text) for _ in range(3)] == [None, first, first]
    # Nobody came to know more: so it is known for as long as it was.
    now = 105.0
    assert known(text) is None
    again = key_cache.find(text)
    now = 107.4
    assert known(text) is again


def known(text):
    entry = key_cache.known(key_text.digest(text))
    return entry and entry.key


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda key: ApiKey.objects.filter(pk=key.pk).revoke(), 401),
        (lambda key: ApiKey.objects.filter(pk=key.pk).delete(), 401),
        (lambda key: key.delete(), 401),
        (lambda key: ApiKey.objects.filter(pk=key.pk).update(scopes=["zephr"]), 403),
        (lambda key: ApiKey.objects.filter(pk=key.pk).update(playouts=["disney-*"]), 403),
        (lambda key: save(key, scopes=["analytics"]), 403),
        (lambda key: save(key, expires_at=key.created_at), 401),
        (lambda key: ApiKey.objects.bulk_update([change_of(key, playouts=["x"])], ["playouts"]), 403),
    ],
)
def test_a_change_that_this_process_makes_is_seen_at_once(issue_key, change, expected):
    text = issue_key()
    assert status(text) == 200
    change(ApiKey.objects.get())
    assert status(text) == expected


def change_of(key, **fields):
    for name, value in fields.items():
        setattr(key, name, value)
    return key


def save(key, **fields):
    change_of(key, **fields).save()


@pytest.mark.django_db(transaction=True)
def test_a_change_is_seen_at_once_after_its_commit_though_others_read_before(issue_key):
    text = issue_key()
    with transaction.atomic():
        ApiKey.objects.revoke()
        # What another thread finds meanwhile: the key as it still stands in the database.
        stale = ApiKey.objects.get()
        stale.revoked_at = None
        key_cache._known[key_text.digest(text)] = key_cache.Entry(stale, time.monotonic())
        assert status(text) == 200
    assert status(text) == 401


def test_a_look_up_that_races_a_change_is_not_remembered(issue_key):
    text = issue_key()

    def revoked_meanwhile(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if "jay_api_key" in sql and sql.startswith("SELECT"):
            key_cache.forget()  # as the revocation in another thread does
        return result

    with connection.execute_wrapper(revoked_meanwhile):
        assert key_cache.find(text) is not None
    assert not key_cache._known


def test_expiry_is_exact_though_the_key_is_known(issue_key):
    noon = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.UTC)
    with time_machine.travel(noon, tick=False) as clock:
        text = issue_key(expires_at=noon + datetime.timedelta(seconds=1))
        assert status(text) == 200
        clock.shift(0.999999)
        assert status(text) == 200
        clock.shift(0.000001)
        assert status(text) == 401


def test_keys_that_do_not_exist_take_no_memory(issue_key, monkeypatch):
    for _ in range(20):
        assert status(key_text.generate()) == 401
    assert not key_cache._known
    monkeypatch.setattr(key_cache, "MAX_KEYS", 3)
    for number in range(5):
        assert status(issue_key(str(number))) == 200
    assert len(key_cache._known) <= 3


def test_the_last_use_of_a_known_key_is_noted_once_a_minute(issue_key, django_assert_num_queries):
    with time_machine.travel(datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC), tick=False) as clock:
        text = issue_key()
        assert status(text) == 200
        first = ApiKey.objects.get().last_used_at
        clock.shift(59)
        with django_assert_num_queries(0):
            assert status(text) == 200
        clock.shift(1)
        assert status(text) == 200
        assert ApiKey.objects.get().last_used_at == first + datetime.timedelta(minutes=1)


def test_a_key_that_cannot_be_asked_for_early_is_known_as_long_as_before(issue_key, monkeypatch):
    text, now = issue_key(), 100.0
    monkeypatch.setattr(key_cache, "monotonic", lambda: now)
    first = key_cache.find(text)
    with sql_refused("jay_api_key"):
        now = 104.9
        assert key_cache.find(text) is first
        now = 105.0
        with pytest.raises(StoreUnavailable):
            key_cache.find(text)


def test_who_has_waited_in_vain_for_a_look_up_does_not_wait_for_more(issue_key, monkeypatch):
    # A database that is silent costs each request its time once: the key is no younger after it.
    text, times = issue_key(), iter([100.0, 103.0, 109.0])
    monkeypatch.setattr(key_cache, "monotonic", lambda: next(times))
    key_cache.find(text)
    with sql_refused("jay_api_key"), pytest.raises(StoreUnavailable):
        key_cache.find(text)


def test_a_use_that_cannot_be_noted_refuses_nobody_unless_it_took_its_time(issue_key, monkeypatch):
    text, passed = issue_key(), iter([0.0, 2.9, 10.0, 13.0])
    key_cache.find(text)
    monkeypatch.setattr(authentication, "monotonic", lambda: next(passed))
    with sql_refused("jay_api_key"):
        assert status(text) == 200
        assert status(text) == 503


def test_a_known_key_needs_no_store_and_an_unknown_one_does(issue_key):
    known, unknown = issue_key("known"), issue_key("unknown")
    assert status(known) == 200
    with sql_refused("jay_api_key"):
        assert status(known) == 200
        response = Client(headers={"X-API-Key": unknown, **TOKEN}).get(PATH)
    assert error_of(response) == (503, 503, "STORE_UNAVAILABLE")


@pytest.mark.server
def test_every_process_sees_a_revocation_within_ten_seconds(tmp_path):
    def ask():
        connection = server.connect()
        try:
            connection.request("GET", PATH, headers={"X-API-Key": server.key, **TOKEN})
            return connection.getresponse().status
        finally:
            connection.close()

    with servers.running("granian", tmp_path) as server:
        assert {ask() for _ in range(20)} == {200}
        servers.manage(servers.example_site(server.database_url), "jay_revoke_api_key", "test")
        revoked = time.monotonic()
        last = 0.0
        while time.monotonic() < revoked + key_cache.MAX_AGE + 2:
            asked = time.monotonic()
            if ask() == 200:
                last = asked - revoked
        assert last < 10
        assert {ask() for _ in range(20)} == {401}


def test_two_live_keys_of_one_partner_let_it_change_over(issue_key):
    old, new = issue_key("partner 2026-10"), issue_key("partner 2026-11")
    assert [status(old), status(new)] == [200, 200]
    ApiKey.objects.filter(name="partner 2026-10").revoke()
    assert [status(old), status(new)] == [401, 200]
