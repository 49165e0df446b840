"""With `END_PROPAGATION`, a session that is ended after a fail-over is not valid in any process."""

import os
import signal
import time

import psycopg
import pytest

from ..conftest import until
from ..outages.proxy import Proxy
from ..support import servers
from ..support.other_process import other_process
from ..support.postgres_server import primary

pytestmark = [pytest.mark.server, pytest.mark.durability, pytest.mark.timeout(300)]

PROPAGATING = {"JAY_END_PROPAGATION": "4", "JAY_SESSION_LIFETIME": "86400"}
DUE = 5


@pytest.fixture
def server():
    with primary() as server:
        yield server


def migrated(server):
    url = server.new_database()
    servers.manage(servers.example_site(url), "migrate", "--verbosity", "0")
    return url


def use_ids(server, count):
    """Let so many transactions end, each with an id of its own."""
    server.run(f"DO $$ BEGIN FOR n IN 1..{count} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$")


def test_of_a_standby_that_lagged(server):
    url = migrated(server)
    with Proxy(server.address) as front, other_process(front.url(url), **PROPAGATING) as here:
        before = here.start()
        standby = server.replica()
        standby.caught_up(server)
        standby.detach()
        use_ids(server, 500)
        with other_process(front.url(url), **PROPAGATING) as there:
            assert there.read(before) == "valid"
            standby.promote()
            front.lead_to(standby.address)
            front.drop()
            eventually(lambda: here.end(before), "1")
            # So the new server's ids go beyond those that the other process has seen of the old one.
            use_ids(standby, 1000)
            time.sleep(DUE)
            eventually(lambda: there.read(before), "not valid")


CHECKPOINTER = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"


def has_another_checkpointer(server, process):
    try:
        return server.run(CHECKPOINTER) not in (None, (process,))
    except psycopg.OperationalError:
        return False


def test_of_a_server_that_crashed_inside_and_gives_ids_again(server):
    url = migrated(server)
    # What aborts is not written down at once, but long after the crash here.
    server.change("wal_writer_delay", "10s")
    with (
        other_process(url, **PROPAGATING) as here,
        other_process(url, **PROPAGATING) as there,
    ):
        session = here.start()
        server.run("CHECKPOINT")
        server.run(
            "DO $$ BEGIN FOR n IN 1..500 LOOP PERFORM pg_current_xact_id(); ROLLBACK; END LOOP; END $$"
        )
        assert there.read(session) == "valid"
        [process] = server.run(CHECKPOINTER)
        os.kill(process, signal.SIGKILL)
        until(lambda: has_another_checkpointer(server, process))
        eventually(lambda: here.end(session), "1")
        use_ids(server, 1000)
        time.sleep(DUE)
        eventually(lambda: there.read(session), "not valid")


def eventually(said, what):
    """Return once it is said, and meanwhile nothing but that the database is away."""
    deadline = time.monotonic() + servers.PATIENCE
    while (found := said()) != what:
        assert found == "unavailable"
        assert time.monotonic() < deadline
        time.sleep(0.1)
