"""Statements that PostgreSQL plans once for each connection.

Django writes its queries anew for each request, and its PostgreSQL backend puts the values into the text: so
the server plans each of them again. Behind a pooler such as PgBouncer nothing can be planned ahead, because
each transaction may get another connection. So each new connection checks whether there is a pooler. A site
that sets `DISABLE_SERVER_SIDE_CURSORS` says that there is one.
"""

import functools
import itertools
import logging
import re
import threading
import weakref
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger("jay_sessions")


class Planned(NamedTuple):
    """A statement for psycopg's raw cursors, with placeholders `$1`, `$2` …, and their values."""

    sql: str
    values: list[Any]


@functools.cache
def numbered(sql: str) -> str:
    """Return the statement with `$1`, `$2` … in place of each `%s`."""
    marks = itertools.count(1)
    return re.sub("%s", lambda _: f"${next(marks)}", sql)


_plans: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()
"""The driver's open connections, and whether each of them plans statements ahead."""


def plans(connection: BaseDatabaseWrapper) -> bool:
    """Say whether the connection plans statements ahead: it uses psycopg 3 and reaches PostgreSQL directly.

    Opens the connection. Database errors pass through.
    """
    if connection.vendor != "postgresql":
        return False
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    known = _plans.get(connection.connection)
    if known is None:
        known = _is_worth_it(connection) and not _is_pooled(connection)
        if known:
            _keep_plans(connection)
        _plans[connection.connection] = known
    return known


def is_known_to_plan(connection: BaseDatabaseWrapper) -> bool:
    """Return the earlier result of `plans` for an open connection, without asking the server."""
    return connection.vendor == "postgresql" and _plans.get(connection.connection, False)


def _is_worth_it(connection: BaseDatabaseWrapper) -> bool:
    settings = connection.settings_dict
    if settings.get("DISABLE_SERVER_SIDE_CURSORS"):
        return False
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    # Otherwise the connection is closed after one request, and its plans are lost.
    lasts = settings["CONN_MAX_AGE"] != 0 or bool(settings["OPTIONS"].get("pool"))
    return bool(is_psycopg3) and lasts


def _is_pooled(connection: Any) -> bool:
    """Say whether there is a pooler between us and the server: then the server's process ids differ."""
    wire = connection.connection
    # Without Django's cursors: this query does not belong to the request.
    with connection.wrap_database_errors, wire.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    is_pooled = bool(pid != wire.info.backend_pid)
    # Once in a process.
    if is_pooled and _unsaid.acquire(blocking=False):
        logger.warning(
            "PostgreSQL is behind a connection pooler, so statements are not prepared. Set "
            '"DISABLE_SERVER_SIDE_CURSORS": True in DATABASES: then new connections do not test this.'
        )
    return is_pooled


_unsaid = threading.Lock()


def _keep_plans(connection: Any) -> None:
    """Let PostgreSQL plan a statement once for all values, also if the table has partitions.

    It would plan a look-up in partitions anew for each id: 123 µs instead of 74 with six partitions.
    """
    if connection.settings_dict["OPTIONS"].get("server_side_binding"):
        # Then Django's own queries may be prepared, too: they need a plan for their values.
        return
    with connection.wrap_database_errors, connection.connection.cursor() as cursor:
        cursor.execute("SET plan_cache_mode = force_generic_plan")


def run(connection: Any, sql: str, values: list[Any]) -> list[Any]:
    """Run the statement and return its rows. Database errors pass through."""
    with _cursor(connection) as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


def _cursor(connection: Any) -> Any:
    if plans(connection):
        # The same as `connection.cursor()`, but with another class of cursor.
        return connection._prepare_cursor(_planning_cursors()[0](connection.connection))
    return connection.cursor()


def run_raw(connection: BaseDatabaseWrapper, sql: str, values: list[Any]) -> list[Any]:
    """As `run`, for a statement with many values, over a connection of `database/connections.py`."""
    if not plans(connection):
        return run(connection, sql, values)
    # Without Django's cursors: for so many values, psycopg rewrites a statement each time, unless its
    # placeholders are numbered.
    with connection.wrap_database_errors, _planning_cursors()[1](connection.connection) as cursor:
        cursor.execute(numbered(sql), values)
        return cursor.fetchall() if cursor.description else []


def awaited_over(connection: Any) -> Any:
    """Return an `AsyncRawCursor` of psycopg over the connection. From now on, use only this cursor."""
    from psycopg import AsyncConnection, AsyncRawCursor

    return AsyncRawCursor(AsyncConnection(connection.pgconn))


async def begin(cursor: Any) -> None:
    """Prepare the cursor of `awaited_over`. Errors of psycopg pass through, here and in `awaited`."""
    await cursor.connection.set_autocommit(True)
    # Both connections number their prepared statements from 0 on.
    await cursor.execute("DEALLOCATE ALL")


async def awaited(cursor: Any, statement: Planned) -> list[tuple[Any, ...]]:
    """Run the statement with the cursor of `awaited_over`, and return its rows."""
    await cursor.execute(statement.sql, statement.values, prepare=True)
    return await cursor.fetchall() if cursor.description else []


@functools.cache
def _planning_cursors() -> tuple[Any, Any]:
    """Return two classes of cursors, the second one raw. The server plans their statements once.

    Instead of Django's cursor: saves 37 µs of 445 a POST, 2 of 211 a GET (bench.fast_paths).
    """
    from psycopg import Cursor, RawCursor

    class Planning(Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
            # Django has switched preparing off for the connection; it stays off for other cursors.
            threshold, self.connection.prepare_threshold = self.connection.prepare_threshold, 0
            try:
                return super().execute(query, params, prepare=True, **kwargs)
            finally:
                self.connection.prepare_threshold = threshold

    class RawPlanning(RawCursor, Planning):
        pass

    return Planning, RawPlanning
