"""Partitioned tables for a test, and plain ones again after it."""

import contextlib
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection

from jay_sessions.models import EndedSession, TrackingSession


def need_postgresql() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("Only PostgreSQL has partitions.")


def plain_again() -> None:
    """Make the tables anew, as `migrate` does: plain and empty."""
    with connection.cursor() as cursor:
        # Detached partitions, too.
        cursor.execute(
            "SELECT oid::regclass::text FROM pg_class "
            "WHERE relname ~ '^jay_(tracking|ended)_session' AND relkind IN ('r', 'p') AND NOT relispartition"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE {name} CASCADE")
    with connection.schema_editor() as editor:
        for model in (TrackingSession, EndedSession):
            editor.create_model(model)


@contextlib.contextmanager
def partitioned(*arguments: str) -> Iterator[None]:
    """Partition the tables by the setting `PARTITIONS`."""
    try:
        call_command("jay_partition_sessions", *arguments, verbosity=0)
        yield
    finally:
        plain_again()
