"""The database moves: the old server refuses writes or is gone, and its address leads to a new one."""

import time

import pytest

from ..support.postgres_server import Server
from .cases import MARKS, each
from .variants import (
    ASGI_GROUP,
    GRANIAN_GROUP,
    GUNICORN_DIRECT,
    GUNICORN_GROUP,
    PLAIN_DIRECT,
    UVICORN_GROUP,
    Variant,
)

pytestmark = MARKS

TRANSACTIONS = """
DO $$ BEGIN FOR number IN 1..5000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$
"""

FOR_EVER = Variant(server="granian, ASGI", recorder="group", conn_max_age=None)


@pytest.fixture
def standby(cluster):
    """A standby of the cluster, for one test."""
    follower = cluster.replica()
    yield follower
    follower.stop("immediate")
    cluster.read_only(on=False)


@each(GUNICORN_DIRECT, FOR_EVER, further=[PLAIN_DIRECT])
def test_the_old_server_turns_read_only_and_keeps_its_connections(stage, cluster, standby, variant):
    with stage(variant) as at, at.outage():
        cluster.read_only()
        time.sleep(1)
        standby.caught_up(cluster)
        standby.promote()
        at.lead_to(standby)


@each(GUNICORN_GROUP)
def test_a_server_is_read_only_for_a_while(stage, cluster, variant):
    with stage(variant) as at, at.outage():
        cluster.read_only()
        try:
            time.sleep(4)
        finally:
            cluster.read_only(on=False)


@each(UVICORN_GROUP, further=[GRANIAN_GROUP, ASGI_GROUP])
def test_the_old_server_is_gone_and_a_standby_is_promoted(stage, cluster, standby, variant):
    with stage(variant) as at, at.outage():
        at.proxy.refuse()
        standby.caught_up(cluster)
        standby.promote()
        at.lead_to(standby)
        at.proxy.recover()


@pytest.fixture
def synchronous(cluster):
    """Two standbys of the cluster; each commit waits for one of them."""
    standbys = [cluster.replica(name) for name in ("berlin", "paris")]
    cluster.change("synchronous_standby_names", "ANY 1 (berlin, paris)")
    yield standbys
    cluster.ensure_running().change("synchronous_standby_names", "")
    for standby in standbys:
        standby.stop("immediate")


@each(GUNICORN_GROUP, further=[ASGI_GROUP])
def test_the_old_server_dies_under_load_and_a_synchronous_standby_is_promoted(
    stage, cluster, synchronous, variant
):
    with stage(variant) as at, at.outage():
        # The other one is enough.
        synchronous[0].detach()
        time.sleep(1)
        cluster.stop("immediate")
        at.proxy.refuse()
        standby = max(synchronous, key=Server.received)
        assert standby is synchronous[1]
        standby.promote()
        at.lead_to(standby)
        at.proxy.recover()


@each(ASGI_GROUP, further=[GRANIAN_GROUP])
def test_a_standby_that_lags_is_promoted(stage, cluster, standby, variant):
    with stage(variant) as at:
        with at.load() as load:
            assert load.settle(quiet=1.0)
            standby.caught_up(cluster)
            detached = time.monotonic()
            standby.detach()
            standby.promote()
            # Each process has read notes meanwhile that the new server will never have.
            time.sleep(3)
            at.proxy.refuse()
            # Who was answered in the last moment has noted it by then.
            time.sleep(0.2)
            load.risk(detached)
            at.lead_to(standby)
            at.proxy.recover()
            over = time.monotonic()
            time.sleep(0.5)
            # The new server's transaction ids pass the last ones of the old, which the processes know.
            standby.run(TRANSACTIONS)
            settled = load.settle(quiet=12.0, within=30.0)
        at.conclude(load, over, settled=settled)
