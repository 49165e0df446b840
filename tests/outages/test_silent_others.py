"""A cache and a Zephr that fall silent or fail: tracking goes on as if nothing were."""

import contextlib
import secrets
import time

import pytest

from project.zephr_stand_in import ZephrStandIn

from ..conftest import until
from ..support.clients import Connection
from ..support.silent_redis import silent_redis
from ..support.zephr_wire import ACCESS_KEY, SECRET_KEY, answer, sending
from .cases import MARKS, each
from .crowd import Crowd, with_a_made_up_key
from .proxy import Proxy
from .variants import ASGI_DIRECT, ASGI_GROUP, GRANIAN_GROUP, GUNICORN_DIRECT, GUNICORN_GROUP, with_more

pytestmark = MARKS

QUICK = 4.0
"""Seconds in which a session is started, whatever else hangs, on a slow machine."""

SILENCE = 7.0
"""Seconds; a cache that fails is left alone for 5, and then asked again."""

PLACES = 4
"""Threads of both processes that may wait for Zephr under WSGI."""


@pytest.fixture
def own_redis():
    with silent_redis() as running:
        yield running


@pytest.fixture
def hanging_zephr():
    """Variables of a site whose Zephr answers nobody."""
    with Proxy(("127.0.0.1", 9)) as zephr:
        zephr.silence_all()
        yield zephr_at(f"http://127.0.0.1:{zephr.port}")


def zephr_at(url):
    return {"ZEPHR_BASE_URL": url, "ZEPHR_ACCESS_KEY": ACCESS_KEY, "ZEPHR_SECRET_KEY": SECRET_KEY}


def throttled(variant, port):
    """Let a variant count requests in a Redis: many for its key, three for who has none."""
    rates = {"JAY_THROTTLE_KEY": "1000000/min", "JAY_THROTTLE_ANONYMOUS": "3/day"}
    return with_more(variant, REDIS_URL=f"redis://127.0.0.1:{port}/0", **rates)


@contextlib.contextmanager
def undisturbed(at):
    """Expect that in the block, and after it, everything is answered right and soon."""
    with at.load() as load:
        assert load.settle(quiet=1.0)
        began = time.monotonic()
        yield
        settled = load.settle()
    verdict = at.conclude(load, began, settled=settled)
    assert verdict.recovered == 0.0
    assert verdict.slowest < QUICK


def refused_without_a_key(at):
    """Return what a client without a valid key is answered."""
    with Connection(at.site.server) as connection:
        return with_a_made_up_key(connection).status


def are_counted_again(at):
    until(lambda: refused_without_a_key(at) == 429)


@each(GUNICORN_DIRECT, further=[ASGI_GROUP])
def test_redis_stops_while_requests_are_throttled(stage, variant, own_redis):
    with stage(throttled(variant, own_redis.port)) as at:
        with undisturbed(at):
            assert refused_without_a_key(at) == 401
            own_redis.stop()
            time.sleep(SILENCE)
            assert refused_without_a_key(at) == 401
            own_redis.go_on()
        are_counted_again(at)


@each(ASGI_DIRECT, further=[ASGI_GROUP, GUNICORN_DIRECT])
def test_connections_to_redis_are_frozen_and_then_refused(stage, variant, own_redis):
    with Proxy(("127.0.0.1", own_redis.port)) as proxy, stage(throttled(variant, proxy.port)) as at:
        with undisturbed(at):
            assert refused_without_a_key(at) == 401
            proxy.silence_all()
            time.sleep(SILENCE)
            proxy.refuse()
            time.sleep(2)
            assert refused_without_a_key(at) == 401
            proxy.recover()
        are_counted_again(at)


def look_up(connection):
    return connection.ask("GET", f"/v3/sessions/{secrets.token_hex(8)}")


@contextlib.contextmanager
def looked_up(at, clients, seconds):
    """Let many clients look sessions up at a Zephr that hangs, for so long; judge what they were told."""
    with Crowd(at.site.server, clients, look_up) as crowd:
        yield
        time.sleep(seconds)
    assert crowd.statuses.total() >= clients
    assert set(crowd.statuses) <= {503, 504}
    assert crowd.without_time == 0
    if not at.variant.is_async:
        # The circuit is open before its threads wait a third time.
        assert crowd.statuses[504] <= 2 * PLACES


@each(GUNICORN_GROUP, further=[GRANIAN_GROUP, ASGI_DIRECT])
def test_zephr_hangs_while_many_look_sessions_up(stage, variant, hanging_zephr):
    with (
        stage(with_more(variant, **hanging_zephr)) as at,
        undisturbed(at),
        looked_up(at, 30, 10),
    ):
        pass


@each(ASGI_DIRECT, further=[GUNICORN_DIRECT])
def test_redis_and_zephr_are_silent_at_once(stage, variant, hanging_zephr, own_redis):
    with (
        Proxy(("127.0.0.1", own_redis.port)) as proxy,
        stage(with_more(throttled(variant, proxy.port), **hanging_zephr)) as at,
        undisturbed(at),
        looked_up(at, 12, 10),
    ):
        proxy.silence_all()


@each(GUNICORN_GROUP, further=[ASGI_DIRECT])
def test_zephr_fails_for_some_sessions(stage, variant):
    def fault(handler):
        is_bad = "/bad" in handler.path
        sending(answer(b"{}", "500 Internal Server Error" if is_bad else "200 OK"))(handler)

    def look_bad_up(connection):
        return connection.ask("GET", f"/v3/sessions/bad{secrets.token_hex(8)}")

    with ZephrStandIn(ACCESS_KEY, SECRET_KEY) as zephr:
        zephr.fault = fault
        with (
            stage(with_more(variant, **zephr_at(zephr.base_url))) as at,
            undisturbed(at),
            Crowd(at.site.server, 2, look_up) as good,
            Crowd(at.site.server, 1, look_bad_up) as bad,
        ):
            time.sleep(6)
    assert set(good.statuses) == {200}
    assert set(bad.statuses) == {502}
