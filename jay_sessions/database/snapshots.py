"""States of a database: a transaction that sees one state, and what such a state is called on PostgreSQL."""

import contextlib
from collections.abc import Iterator

from django.db import Error, connections, transaction


@contextlib.contextmanager
def one_state(alias: str, table: str) -> Iterator[None]:
    """Let all queries of the block see one state of the database, as one transaction.

    On PostgreSQL, other such blocks with the same table wait until the end. On SQLite the caller must write
    first: then all other writers wait. Not inside a transaction: raises RuntimeError. Raises a conflict
    (see `errors.tried_again`) if others change the same rows.
    """
    connection = connections[alias]
    # In a test's transaction, the level can no longer be chosen.
    is_outermost = not connection.in_atomic_block
    with transaction.atomic(alias, durable=True):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                if is_outermost:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                # Not a query: what the transaction sees is decided after the wait.
                cursor.execute(f'LOCK TABLE "{table}" IN SHARE ROW EXCLUSIVE MODE')
                cursor.execute(_PLANS)
        yield


# Queries here look up many rows, each along an index. Where PostgreSQL expects few rows, it would read all of
# a user's sessions and sort them, instead of the last ones. Compiling takes longer than it saves.
_PLANS = "SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off"


def current(alias: str) -> str:
    """Return what the current transaction of a PostgreSQL sees, as text such as `90:95:90,93`.

    It is for `models.expressions.InSnapshot`. Its numbers are valid on one cluster and its standbys alone.
    """
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT pg_current_snapshot()::text")
        return str(cursor.fetchone()[0])


def cluster(alias: str) -> str:
    """Return what identifies a cluster of PostgreSQL; "" if the server does not tell."""
    try:
        with transaction.atomic(alias), connections[alias].cursor() as cursor:
            cursor.execute("SELECT system_identifier::text FROM pg_control_system()")
            return str(cursor.fetchone()[0])
    except Error:
        return ""
