"""Connections to the database, or a pool of them, that somebody has used up."""

import time

import pytest

from .cases import MARKS, each
from .crowd import Crowd, with_a_made_up_key
from .variants import ASGI_DIRECT, ASGI_GROUP, GUNICORN_GROUP, Variant

pytestmark = MARKS

LIMIT = 30
"""Connections that the site's login may have: its two processes need ten each at the most."""

POOLED = Variant(conn_max_age=0, pool=2)


def start_and_end(connection):
    started = connection.ask("POST")
    return connection.ask("DELETE", token=started.headers.get("X-JAY-TRACKING") or "")


@each(GUNICORN_GROUP, further=[ASGI_DIRECT])
def test_the_database_gives_no_connection_for_a_while(stage, cluster, variant):
    with stage(variant, LIMIT) as at, at.outage():
        cluster.run(f"ALTER ROLE {at.login} CONNECTION LIMIT 0")
        cluster.run(
            f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{at.login}'"
        )
        time.sleep(4)
        cluster.run(f"ALTER ROLE {at.login} CONNECTION LIMIT {LIMIT}")


@pytest.mark.parametrize(
    ("clients", "ask"), [(80, with_a_made_up_key), (4, start_and_end)], ids=["made-up keys", "DELETE"]
)
@each(ASGI_DIRECT, further=[ASGI_GROUP])
def test_a_crowd_takes_no_more_connections_than_a_process_may_have(stage, variant, clients, ask):
    with stage(variant, LIMIT) as at:
        with at.load() as load:
            assert load.settle(quiet=1.0)
            began = time.monotonic()
            with Crowd(at.site.server, clients, ask) as crowd:
                time.sleep(6)
                used = at.connections()
            settled = load.settle()
        verdict = at.conclude(load, began, settled=settled)
    assert used <= LIMIT - 10
    assert verdict.recovered == 0.0
    assert set(crowd.statuses) <= {200, 401, 429, 503}


@each(POOLED)
def test_a_pool_is_used_up_while_the_database_is_slow(stage, variant):
    with stage(variant) as at, at.outage():
        at.proxy.delay = 0.5
        time.sleep(10)
        at.proxy.delay = 0.0
