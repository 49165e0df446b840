"""The database as seen from here: there, or not."""

import contextlib
import logging
import traceback
from collections.abc import Iterator

from django.db import InterfaceError, InternalError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .exceptions import StoreUnavailable

logger = logging.getLogger("jay_sessions")


@contextlib.contextmanager
def available() -> Iterator[None]:
    """Turn "the database did not do it, and may later" into StoreUnavailable.

    InternalError is among the causes because PostgreSQL answers a write with it while the server is
    a standby. What is wrong with the query itself (a missing table, a value too long) passes
    through: that is a fault, and waiting does not mend it.
    """
    try:
        yield
    except (InterfaceError, InternalError, OperationalError) as error:
        logger.error("The database is unavailable: %s", str(error).strip())  # noqa: TRY400 (one line each)
        _let_cursors_go(error)
        raise StoreUnavailable("The database is unavailable.") from error


def _let_cursors_go(error: BaseException | None) -> None:
    # Django's exceptions and the frames that they passed hold each other, and one of these may hold a
    # cursor that is still open. Left to the garbage collection, it is closed by any thread that this runs
    # in; with SQLite, that one then waits for whoever uses the cursor's connection, and if it is itself in a
    # transaction for which that other one waits, both wait until the time-out.
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__


@contextlib.contextmanager
def without_waiting(alias: str) -> Iterator[None]:
    """Let SQLite fail at once in the block where another connection writes, instead of waiting.

    OperationalError is raised then. Other databases go on as they are.
    """
    connection = connections[alias]
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        [(patience,)] = cursor.execute("PRAGMA busy_timeout").fetchall()
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            yield
        except OperationalError as error:
            _let_cursors_go(error)
            raise
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {patience}")


def close_if_old(connection: BaseDatabaseWrapper) -> None:
    """Close a connection that is broken or past `CONN_MAX_AGE`, as Django does around a request.

    One in a transaction stays: a test's is around the request.
    """
    if connection.connection is not None and not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


def is_read_only(connection: BaseDatabaseWrapper) -> bool:
    """Say whether a PostgreSQL refuses writes, as a standby does. What the database raises passes through."""
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        [(answer,)] = cursor.fetchall()
    return bool(answer == "on")
