"""Errors of the database: it is away, not migrated or refuses writes, or a transaction is in conflict."""

import contextlib
import functools
import logging
import random
import re
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ParamSpec, TypeVar

from django.apps import apps
from django.db import (
    DEFAULT_DB_ALIAS,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    connections,
    router,
)
from django.db.backends.base.base import BaseDatabaseWrapper

from .. import conf
from ..exceptions import StoreLacksPartition, StoreNotMigrated, StoreUnavailable
from . import suspects

logger = logging.getLogger("jay_sessions")

P = ParamSpec("P")
T = TypeVar("T")

_UNDEFINED = {"42P01", "42703"}
"""PostgreSQL's codes for a missing table and a missing column."""

_FORBIDDEN = "42501"
"""PostgreSQL's code for a user that lacks a right."""

_CHECKED = "23514"
"""PostgreSQL's code for a row that no partition takes, and for one that a constraint refuses."""

RANGE = "jay_session_range"
"""The constraint of a plain table that is about to become the first partition."""

_CONFLICTS = {"40001", "40P01"}
"""PostgreSQL's codes for a transaction that conflicts with others and should be tried again."""

_UNDEFINED_IN_SQLITE = re.compile(r"no such (table|column)\b|table \S+ has no column named ")


@contextlib.contextmanager
def translating_errors() -> Iterator[None]:
    """Turn errors of a database that cannot do it now, but perhaps later, into StoreUnavailable.

    InternalError is one of them: PostgreSQL answers a write with it while the server is a standby. A missing
    table or column becomes StoreNotMigrated, a row without a partition StoreLacksPartition. An error in the
    query itself (such as a value that is too long) passes through: it is a bug, and waiting does not help.
    """
    try:
        yield
    except IntegrityError as error:
        if not lacks_partition(error):
            raise
        logger.error("A session cannot be stored: %s. %s", reason(error), MAKE_PARTITIONS)  # noqa: TRY400 (one line each)
        _let_cursors_go(error)
        # Without the cause: PostgreSQL's message holds the whole id.
        raise StoreLacksPartition(f"There is no partition for the session. {MAKE_PARTITIONS}") from None
    except (InterfaceError, InternalError, OperationalError, ProgrammingError) as error:
        if is_not_migrated(error):
            logger.error("The database lacks something: %s. Run: %s", reason(error), migrate())  # noqa: TRY400 (one line each)
            _let_cursors_go(error)
            # Without the cause: PostgreSQL's message quotes the statement, and so values.
            raise StoreNotMigrated(f"The database is not migrated. Run: {migrate()}.") from None
        if isinstance(error, ProgrammingError):
            raise
        logger.error("The database is unavailable: %s", str(error).strip())  # noqa: TRY400 (one line each)
        _let_cursors_go(error)
        raise StoreUnavailable("The database is unavailable.") from error


def migrate(alias: str | None = None) -> str:
    """Return the command that creates the tables of a database, by default the one of the sessions.

    Without an option, `migrate` migrates "default".
    """
    if alias is None:
        alias = router.db_for_write(apps.get_model("jay_sessions", "TrackingSession"))
    option = "" if alias == DEFAULT_DB_ALIAS else f" --database {alias}"
    return f"python manage.py migrate{option}"


def is_not_migrated(error: Exception) -> bool:
    """Say whether a database error of Django is about a missing table or column."""
    return code_of(error) in _UNDEFINED or bool(_UNDEFINED_IN_SQLITE.match(str(error)))


MAKE_PARTITIONS = "Run: python manage.py jay_partition_sessions."


def lacks_partition(error: BaseException) -> bool:
    """Say whether PostgreSQL refuses a row because no partition takes its id."""
    if code_of(error) != _CHECKED:
        return False
    diagnosis: Any = getattr(error.__cause__, "diag", None)
    return getattr(diagnosis, "constraint_name", None) in (None, RANGE)


def is_forbidden(error: BaseException) -> bool:
    """Say whether PostgreSQL refuses a statement because the user lacks a right."""
    return code_of(error) == _FORBIDDEN


def reason(error: BaseException) -> str:
    """Return the first line of the error's message: PostgreSQL's second line quotes the statement.

    For an error without a message, return the name of its class.
    """
    return str(error).strip().partition("\n")[0] or type(error).__name__


def tried_again(use: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function that is one transaction: it is called again if it conflicts with others.

    PostgreSQL refuses such transactions with the isolation level SERIALIZABLE. Inside a transaction of the
    caller the error passes through: then the caller must repeat the whole transaction.
    """

    @functools.wraps(use)
    def used(*args: P.args, **kwargs: P.kwargs) -> T:
        for number in range(_TRIES - 1):
            try:
                return use(*args, **kwargs)
            except OperationalError as error:
                if code_of(error) not in _CONFLICTS or _is_in_transaction():
                    raise
            # Not all at the same time: they would be in conflict again.
            time.sleep(random.uniform(0, _FIRST_PAUSE * 2**number))  # noqa: S311 (no secret)
        return use(*args, **kwargs)

    return used


def _is_in_transaction() -> bool:
    return any(connection.in_atomic_block for connection in connections.all(initialized_only=True))


_TRIES = 10

_FIRST_PAUSE = 0.002
"""The longest pause before the second try, in seconds; the pauses after it double, to 0.5 s in the end."""


def code_of(error: BaseException) -> str | None:
    """Return PostgreSQL's code (SQLSTATE) for a database error of Django; None if there is none."""
    cause = error.__cause__
    # The attribute's names in psycopg and psycopg 2.
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)


def _let_cursors_go(error: BaseException | None) -> None:
    # Django's exceptions and their frames refer to each other, and a frame may hold an open cursor. The
    # garbage collector would close it in any thread. With SQLite, that thread then waits for the thread that
    # uses the cursor's connection; if the other one waits for a transaction of this thread, both wait until
    # the time-out.
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__


def let_go_when_idle(alias: str) -> None:
    """Let PostgreSQL end the transaction that has just begun, with its locks, if it is idle for too long.

    The limit is `DATABASE_TIMEOUT` between two statements. Without it, after a silent loss of the connection,
    others wait for its locks until the server notices, which takes minutes or hours.
    """
    connection = connections[alias]
    if connection.vendor == "postgresql":
        milliseconds = str(round(conf.get().database_timeout * 1000))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('idle_in_transaction_session_timeout', %s, true)", [milliseconds]
            )


@contextlib.contextmanager
def without_waiting(alias: str) -> Iterator[None]:
    """Let SQLite raise OperationalError at once if another connection writes, instead of waiting.

    Other databases behave as usual.
    """
    connection = connections[alias]
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        [(busy_timeout,)] = cursor.execute("PRAGMA busy_timeout").fetchall()
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            yield
        except OperationalError as error:
            _let_cursors_go(error)
            raise
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {busy_timeout}")


def close_if_old(connection: BaseDatabaseWrapper) -> None:
    """Close a connection that is broken, doubted or past `CONN_MAX_AGE`, as Django does around a request.

    A connection in a transaction stays open: in a test, the transaction surrounds the request.
    """
    if connection.connection is not None and not connection.in_atomic_block:
        suspects.close_if_doubted(connection)
        connection.close_if_unusable_or_obsolete()


def refuses_writes(connection: BaseDatabaseWrapper) -> bool:
    """Ask a PostgreSQL whether it refuses writes, as a standby does. Database errors pass through."""
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        [(answer,)] = cursor.fetchall()
    return bool(answer == "on")


def missing_rights(
    connection: BaseDatabaseWrapper, rights: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Return those of the rights that PostgreSQL has not granted to the site's user.

    A right is a privilege and a table: `("INSERT", "jay_tracking_session")`. One on some
    columns alone counts, too. Other databases have no rights.
    """
    if connection.vendor != "postgresql":
        return []
    asked = ", ".join("has_any_column_privilege(%s, %s)" for _ in rights)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {asked}",
            [text for privilege, table in rights for text in (table, privilege)],
        )
        [granted] = cursor.fetchall()
    return [right for right, is_granted in zip(rights, granted, strict=True) if not is_granted]
