"""A database whose processes are stopped, one or all, or that is shut down or killed."""

import os
import signal
import time

import psycopg
import pytest

from ..support.servers import PATIENCE
from .cases import EVERY, MARKS, each
from .variants import (
    ASGI_DIRECT,
    ASGI_GROUP,
    GRANIAN_GROUP,
    GUNICORN_DIRECT,
    GUNICORN_GROUP,
    PARTITIONED,
    PLAIN_ASGI_GROUP,
    UVICORN_DIRECT,
)

pytestmark = MARKS


def backends(at):
    """Return the processes that serve the site's connections, the busiest of late first."""
    statement = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "ORDER BY state_change DESC"
    )
    with psycopg.connect(at.url) as connection:
        return [pid for (pid,) in connection.execute(statement)]


def stop_one(at):
    """Stop the busiest of these processes while it is in no transaction; return its id.

    In a transaction it could hold the lock of a session's row: nobody could end that session then.
    """
    for _ in range(100):
        pid = backends(at)[0]
        os.kill(pid, signal.SIGSTOP)
        with psycopg.connect(at.url) as connection:
            [idle] = connection.execute(
                "SELECT xact_start IS NULL FROM pg_stat_activity WHERE pid = %s", [pid]
            )
        if idle[0]:
            return pid
        os.kill(pid, signal.SIGCONT)
    raise AssertionError("Each of them was always in a transaction.")


def accepts(cluster):
    try:
        return cluster.run("SELECT true")[0]
    except psycopg.OperationalError:
        return False


@each(GUNICORN_GROUP, further=[ASGI_GROUP])
def test_the_process_of_one_connection_stops(stage, variant):
    with stage(variant) as at:
        with at.load() as load:
            assert load.settle(quiet=1.0)
            stopped = stop_one(at)
            try:
                began = time.monotonic()
                settled = load.settle()
            finally:
                os.kill(stopped, signal.SIGCONT)
        at.conclude(load, began, settled=settled)


@each(PARTITIONED, further=[PLAIN_ASGI_GROUP, GUNICORN_DIRECT])
def test_all_its_processes_stop_and_go_on(stage, cluster, variant):
    with stage(variant) as at, at.outage():
        cluster.signal(signal.SIGSTOP)
        try:
            # Longer than any answer may take.
            time.sleep(14)
        finally:
            cluster.signal(signal.SIGCONT)


@pytest.mark.parametrize("mode", ["fast", "immediate"] if EVERY else ["fast"])
@each(UVICORN_DIRECT, further=[ASGI_DIRECT, GRANIAN_GROUP])
def test_it_is_shut_down_and_started(stage, cluster, variant, mode):
    with stage(variant) as at, at.outage():
        cluster.stop(mode)
        time.sleep(3)
        cluster.start()


@each(GUNICORN_GROUP)
def test_the_process_of_one_connection_is_killed(stage, cluster, variant):
    # The server then drops all connections, and recovers as after a crash.
    with stage(variant) as at, at.outage():
        os.kill(backends(at)[0], signal.SIGKILL)
        time.sleep(0.5)
        deadline = time.monotonic() + PATIENCE
        while not accepts(cluster) and time.monotonic() < deadline:
            time.sleep(0.1)
