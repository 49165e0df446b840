"""Open connections that have become useless: their server is silent, or accepts no writes any more.

If one connection turns out to be useless, all older ones are doubted. Each of them is closed before its next
use, so that only one request pays for the problem, and not each of them.
"""

import threading
import weakref
from time import monotonic
from typing import Any, NamedTuple

from django.apps import apps
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created


class _Opening(NamedTuple):
    """When a connection was opened (by `time.monotonic`), and whether its server refused writes then."""

    at: float
    was_read_only: bool


_opened: weakref.WeakKeyDictionary[Any, _Opening] = weakref.WeakKeyDictionary()
"""The driver's open connections."""

_doubted: dict[str, float] = {}
"""By alias of the database: the time at which a connection to it turned out to be useless."""

READ_ONLY = "25006"
"""PostgreSQL's code for a refused write: the server is a standby, or becomes one."""


def _note(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if connection.vendor == "postgresql":
        # A pool hands out the same connection repeatedly.
        wire = connection.connection
        _opened.setdefault(wire, _Opening(monotonic(), says_read_only(wire)))


connection_created.connect(_note, dispatch_uid="jay_sessions.database.suspects")


def doubt(connection: BaseDatabaseWrapper) -> None:
    """Doubt all connections to this database that are open now, including those of psycopg's pool."""
    _doubted[connection.alias] = monotonic()
    wire: Any = connection.connection
    if is_pooled(connection) and wire is not None:
        _drop(connection, wire._pool)


def doubt_pool(connection: BaseDatabaseWrapper) -> None:
    """Drop psycopg's pool after a time-out, if the pool could not open a connection.

    An old pool waits longer before each retry, but a new one tries at once. A pool that is only busy stays.
    """
    pool = _pools(connection).get(connection.alias)
    if pool is not None and pool.get_stats().get("connections_errors"):
        _drop(connection, pool)


def is_pooled(connection: BaseDatabaseWrapper) -> bool:
    """Say whether the connection comes from psycopg's pool."""
    return connection.vendor == "postgresql" and bool(connection.settings_dict["OPTIONS"].get("pool"))


def _pools(connection: BaseDatabaseWrapper) -> dict[str, Any]:
    pools: dict[str, Any] = connection._connection_pools  # type: ignore[attr-defined]
    return pools


_dropping = threading.Lock()


def _drop(connection: BaseDatabaseWrapper, pool: Any) -> None:
    """Remove the pool, so that the next use makes a new one. Only the first of several calls acts."""
    # Not by Django's `close_pool`: it is not safe if two threads call it.
    with _dropping:
        pools = _pools(connection)
        is_there = pools.get(connection.alias) is pool
        if is_there:
            del pools[connection.alias]
    if is_there:
        # `close` waits for the pool's threads, and they may wait for a silent server.
        threading.Thread(target=pool.close, name="jay_sessions.pool", daemon=True).start()


def is_doubted(connection: BaseDatabaseWrapper) -> bool:
    """Say whether the connection is open and doubted."""
    doubted = _doubted.get(connection.alias)
    wire = connection.connection
    opening = None if doubted is None or wire is None else _opened.get(wire)
    return doubted is not None and opening is not None and opening.at < doubted


def close_if_doubted(connection: BaseDatabaseWrapper) -> None:
    """Close the connection if it is doubted and not in a transaction."""
    if is_doubted(connection) and not connection.in_atomic_block:
        connection.close()


def close_doubted(**kwargs: Any) -> None:
    """Close this thread's connections that are doubted, or that have become read-only.

    Receives `request_started`. It is for queries outside this app: logins and the site's own views.
    """
    for connection in connections.all(initialized_only=True):
        is_free = connection.connection is not None and not connection.in_atomic_block
        if is_free and (is_doubted(connection) or has_turned_read_only(connection)):
            connection.close()


def has_turned_read_only(connection: BaseDatabaseWrapper) -> bool:
    """Say whether PostgreSQL has told the connection that it accepts no writes. The server is not asked.

    The result is False for a database that is only read from, if it was a standby from the start.

    PostgreSQL reports changes of `default_transaction_read_only` and `in_hot_standby` with its answers
    (https://www.postgresql.org/docs/current/libpq-status.html).
    """
    wire = connection.connection
    if connection.vendor != "postgresql" or wire is None or not says_read_only(wire):
        return False
    opening = _opened.get(wire)
    return opening is None or not opening.was_read_only or _is_written(connection.alias)


def _is_written(alias: str) -> bool:
    return any(
        router.db_for_write(model) == alias for model in apps.get_app_config("jay_sessions").get_models()
    )


def says_read_only(wire: Any) -> bool:
    """Say whether PostgreSQL has told the driver's connection that it accepts no writes."""
    ask = getattr(wire, "get_parameter_status", None)
    if ask is not None:
        # Psycopg 2 has this method.
        return "on" in (ask("default_transaction_read_only"), ask("in_hot_standby"))
    ask = wire.pgconn.parameter_status
    return b"on" in (ask(b"default_transaction_read_only"), ask(b"in_hot_standby"))
