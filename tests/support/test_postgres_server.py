"""The servers that other tests break do what these believe of them."""

import signal

import psycopg
import pytest

from ..outages.proxy import Proxy
from .postgres_server import primary

pytestmark = [pytest.mark.server, pytest.mark.durability, pytest.mark.timeout(300)]


def test_a_standby_that_lags_is_promoted_behind_an_address():
    with primary() as old, Proxy(old.address) as front:
        standby = old.replica()
        old.run("CREATE TABLE kept ()")
        standby.caught_up(old)
        standby.detach()
        old.run("CREATE TABLE lost ()")
        kept = psycopg.connect(front.url(old.url("postgres")))
        assert kept.execute("SELECT to_regclass('lost')").fetchone() == ("lost",)
        standby.promote()
        front.lead_to(standby.address)
        front.drop()
        with pytest.raises(psycopg.OperationalError):
            kept.execute("SELECT 1")
        with psycopg.connect(front.url(old.url("postgres"))) as connection:
            found = connection.execute("SELECT to_regclass('kept'), to_regclass('lost')").fetchone()
            assert found == ("kept", None)
            connection.execute("CREATE TABLE new ()")


def test_a_server_is_read_only_over_open_connections_and_freezes():
    with primary() as server, psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        server.read_only()
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TABLE refused ()")
        server.read_only(on=False)
        connection.execute("CREATE TABLE taken ()")
        server.signal(signal.SIGSTOP)
        try:
            with pytest.raises(psycopg.errors.ConnectionTimeout):
                psycopg.connect(server.url("postgres"), connect_timeout=2)
        finally:
            server.signal(signal.SIGCONT)
        assert server.run("SELECT 1") == (1,)
