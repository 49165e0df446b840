"""Throttles: the windows, their places in the order of the contract, and a cache that is shared or down."""

import collections
import concurrent.futures
import datetime

import pytest
import redis
import time_machine
from asgiref.sync import async_to_sync
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from jay_sessions import conf
from jay_sessions.api import throttling
from jay_sessions.checks.site import check_throttle_cache
from jay_sessions.core.rates import Rate
from jay_sessions.models import ApiKey

from ..conftest import EXAMPLE_TOKEN, PATH, error_of
from ..support import servers

pytestmark = pytest.mark.django_db

START = datetime.datetime(2026, 3, 1, 12, 0, 0, tzinfo=datetime.UTC)
LOCAL = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
TOKEN = {"X-JAY-TRACKING": EXAMPLE_TOKEN}


@pytest.fixture(autouse=True)
def clock(settings):
    # A cache in another process has a clock of its own.
    settings.CACHES = LOCAL
    cache.clear()
    traveller = time_machine.travel(START, tick=False)
    yield traveller.start()
    traveller.stop()


@pytest.mark.parametrize(
    ("text", "limit", "period"),
    [
        ("1/s", 1, 1),
        ("5/sec", 5, 1),
        ("100/min", 100, 60),
        ("7/m", 7, 60),
        ("3/hour", 3, 3600),
        ("9/d", 9, 86400),
    ],
)
def test_a_rate_is_read(text, limit, period):
    assert Rate.parse(text) == Rate(limit, period)


@pytest.mark.parametrize(
    "text", ["", "100", "/min", "0/min", "-1/min", "1.5/min", "1/week", "1/min ", "x/min", "٣/min"]
)
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(ValueError, match="is not a rate"):
        Rate.parse(text)


@pytest.mark.parametrize(
    "value", [{"key": "much"}, {"keys": "1/min"}, {"key": 5}, "100/min", {"anonymous": "0/min"}, None]
)
def test_rates_that_cannot_be_are_named(setting, value):
    setting(THROTTLE_RATES=value)
    with pytest.raises(ImproperlyConfigured, match="THROTTLE_RATES"):
        conf.get()


def test_a_window_lets_its_number_through_and_then_says_how_long_to_wait(api, setting, clock):
    setting(THROTTLE_RATES={"key": "3/min"})
    clock.shift(15.5)
    assert [api.post(PATH).status_code for _ in range(3)] == [200] * 3
    for method in ("POST", "GET", "DELETE", "PUT"):
        response = api.generic(method, PATH)
        assert error_of(response) == (429, 503, "RATE_LIMITED")
        assert response["Retry-After"] == "45"
        assert response["X-API-Version"] == "2025-09-02"
    clock.shift(44.5)
    assert api.post(PATH).status_code == 200


def test_each_key_has_a_count_of_its_own(api, issue_key, setting):
    setting(THROTTLE_RATES={"key": "1/min"})
    other = Client(headers={"X-API-Key": issue_key("other")})
    assert [api.get(PATH, headers=TOKEN).status_code for _ in range(2)] == [200, 429]
    assert other.get(PATH, headers=TOKEN).status_code == 200


def test_each_address_has_a_count_of_its_own_and_ipv6_by_the_network(setting):
    setting(THROTTLE_RATES={"anonymous": "1/min"})

    def status(address):
        return Client(REMOTE_ADDR=address).get(PATH).status_code

    assert [status("192.0.2.1"), status("192.0.2.1"), status("192.0.2.2")] == [401, 429, 401]
    assert [status("2001:db8::1"), status("2001:db8::2"), status("2001:db8:0:1::1")] == [401, 429, 401]


def test_the_client_is_found_behind_the_stated_number_of_proxies(setting):
    setting(THROTTLE_RATES={"anonymous": "1/min"}, NUM_PROXIES=1)

    def status(forwarded):
        headers = {"X-Forwarded-For": forwarded}
        return Client(REMOTE_ADDR="10.0.0.1", headers=headers).get(PATH).status_code

    assert [status("192.0.2.1"), status("made up, 192.0.2.1"), status("192.0.2.2")] == [401, 429, 401]


def test_a_valid_key_passes_from_an_address_that_is_throttled_and_is_not_counted_there(api, setting):
    setting(THROTTLE_RATES={"anonymous": "2/min"})
    assert [api.get(PATH, headers=TOKEN).status_code for _ in range(5)] == [200] * 5
    assert [Client().get(PATH).status_code for _ in range(3)] == [401, 401, 429]
    assert api.get(PATH, headers=TOKEN).status_code == 200


def test_a_key_that_is_none_is_counted_like_a_missing_one(issue_key, setting):
    setting(THROTTLE_RATES={"anonymous": "3/min"})
    revoked = issue_key("revoked")
    ApiKey.objects.revoke()
    answers = [Client(headers={"X-API-Key": key}).get(PATH) for key in ("x", "", revoked, "x", revoked)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]


def test_only_what_comes_before_in_the_contract_is_answered_while_throttled(setting, issue_key):
    setting(THROTTLE_RATES={"anonymous": "1/min", "key": "1/min"})
    nobody = Client()
    assert nobody.get(PATH).status_code == 401
    assert nobody.get("/playouts/x/tracking/unknown").status_code == 404
    assert nobody.get(PATH, headers={"X-API-Version": "1999"}).status_code == 406
    assert nobody.options(PATH).status_code == 204
    assert nobody.put(PATH).status_code == 429
    limited = Client(headers={"X-API-Key": issue_key(playouts=["disney-*"])})
    assert limited.post("/playouts/disney-x/tracking/session").status_code == 200
    assert error_of(limited.post(PATH))[2] == "PLAYOUT_FORBIDDEN"
    assert error_of(limited.get("/v3/sessions/x"))[2] == "SCOPE_REQUIRED"
    assert limited.put("/playouts/disney-x/tracking/session").status_code == 429


def test_refused_requests_of_a_key_do_not_count_against_it(issue_key, setting):
    setting(THROTTLE_RATES={"key": "1/min"})
    limited = Client(headers={"X-API-Key": issue_key(playouts=["disney-*"])})
    assert limited.post(PATH).status_code == 403
    assert limited.post("/playouts/disney-x/tracking/session").status_code == 200


def test_the_zephr_proxy_is_throttled_too(api, setting):
    setting(THROTTLE_RATES={"key": "1/min", "anonymous": "1/min"})
    assert [api.get("/v3/sessions/x").status_code for _ in range(2)] == [501, 429]
    response = [Client().get("/v3/sessions/x") for _ in range(2)][1]
    assert error_of(response) == (429, 503, "RATE_LIMITED")
    assert "X-API-Version" not in response


class DownCache(BaseCache):
    """A cache whose server is away."""

    def __init__(self, *args):
        super().__init__({})

    def incr(self, *args, **kwargs):
        raise redis.ConnectionError("redis://:hunter2@cache is away")

    add = get = set = clear = incr


def test_without_rates_the_cache_is_not_asked(api, settings, caplog):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.DownCache"}}
    assert api.post(PATH).status_code == 200
    assert Client().post(PATH).status_code == 401
    assert "throttled" not in caplog.text
    settings.CACHES = LOCAL


def test_without_a_rate_for_keys_the_cache_is_not_asked_about_a_key(settings, setting, caplog):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.DownCache"}}
    setting(THROTTLE_RATES={"anonymous": "1/day"})
    assert throttling.hit_by_key(1) is None
    assert async_to_sync(throttling.ahit_by_key)(1) is None
    assert "throttled" not in caplog.text
    settings.CACHES = LOCAL


def test_a_cache_that_is_down_lets_requests_through_and_the_log_says_so(api, setting, settings, caplog):
    setting(THROTTLE_RATES={"key": "1/min", "anonymous": "1/min"})
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.DownCache"}}
    assert [api.post(PATH).status_code for _ in range(3)] == [200] * 3
    assert [Client().post(PATH).status_code for _ in range(3)] == [401] * 3
    assert "not throttled: ConnectionError" in caplog.text
    assert "hunter2" not in caplog.text
    settings.CACHES = LOCAL


def test_a_cache_that_keeps_nothing_lets_requests_through(settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    # The dummy says that it has added the key, each time.
    assert [throttling.hit("who", Rate(1, 60), 0.0) for _ in range(3)] == [None] * 3


def test_in_this_process_memory_no_crowd_of_addresses_pushes_out_the_count_of_a_key():
    rate, crowd = Rate(5, 60), Rate(60, 60)
    passed = 0
    for number in range(10):
        passed += throttling.hit("key 1", rate, START.timestamp()) is None
        for address in range(400):
            throttling.hit(f"anonymous 192.0.2.{number}.{address}", crowd, START.timestamp())
    assert passed == 5


@pytest.mark.parametrize("hours", [-24, -1, 1, 24])
@pytest.mark.parametrize("shared", [False, True])
def test_a_clock_that_jumps_locks_nobody_out_and_frees_nobody_for_longer_than_a_window(
    setting, settings, request, hours, shared
):
    api, clock = map(request.getfixturevalue, ("api", "clock"))
    if shared:
        url = request.getfixturevalue("shared_cache")
        settings.CACHES = {
            "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}
        }
    setting(THROTTLE_RATES={"key": "2/min"})

    def statuses():
        return [api.get(PATH, headers=TOKEN).status_code for _ in range(4)]

    assert statuses() == [200, 200, 429, 429]
    clock.shift(hours * 3600)
    assert statuses() == [200, 200, 429, 429]
    assert 0 < int(api.get(PATH, headers=TOKEN)["Retry-After"]) <= 60
    clock.shift(60)
    assert statuses() == [200, 200, 429, 429]
    settings.CACHES = LOCAL


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ("locmem.LocMemCache", "each process has its own counts"),
        ("db.DatabaseCache", "MAX_ENTRIES"),
        ("filebased.FileBasedCache", "MAX_ENTRIES"),
    ],
)
def test_it_is_said_how_a_cache_counts(setting, settings, backend, said):
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": "x"}}
    setting(THROTTLE_RATES={"key": "1/min"})
    [check] = check_throttle_cache()
    assert said in check.msg
    settings.CACHES = LOCAL


@pytest.mark.parametrize(
    ("backend", "exact"),
    [
        ("django.core.cache.backends.redis.RedisCache", True),
        ("django_redis.cache.RedisCache", True),
        ("django.core.cache.backends.memcached.PyMemcacheCache", True),
        ("django.core.cache.backends.locmem.LocMemCache", False),
        ("django.core.cache.backends.db.DatabaseCache", False),
        ("django.core.cache.backends.filebased.FileBasedCache", False),
    ],
)
def test_a_cache_that_does_not_count_exactly_is_named_where_rates_are_set(setting, settings, backend, exact):
    settings.CACHES = {"default": {"BACKEND": backend}}
    assert not check_throttle_cache()
    setting(THROTTLE_RATES={"key": "1/min"})
    found = check_throttle_cache()
    assert bool(found) is not exact
    assert all(check.id == "jay_sessions.W104" and backend in check.msg for check in found)
    settings.CACHES = LOCAL


@pytest.mark.server
@pytest.mark.parametrize("name", list(servers.COMMANDS))
def test_over_all_processes_exactly_as_many_pass_as_the_rate_says(shared_cache, monkeypatch, tmp_path, name):
    monkeypatch.setenv("REDIS_URL", shared_cache)
    monkeypatch.setenv("JAY_THROTTLE_KEY", "50/day")
    monkeypatch.setenv("JAY_THROTTLE_ANONYMOUS", "30/day")

    def status(key):
        connection = server.connect()
        try:
            connection.request("POST", PATH, headers={"X-API-Key": key})
            return connection.getresponse().status
        finally:
            connection.close()

    with servers.running(name, tmp_path) as server, concurrent.futures.ThreadPoolExecutor(8) as pool:
        with_key = list(pool.map(status, [server.key] * 120))
        without = list(pool.map(status, ["nonsense"] * 80))
    log = (tmp_path / "server.log").read_text()
    assert collections.Counter(with_key) == {200: 50, 429: 70}, log
    assert collections.Counter(without) == {401: 30, 429: 50}, log
