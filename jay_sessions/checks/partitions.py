"""System checks of `PARTITIONS`. W130 and W131 ask the database: `check --database` runs them."""

import sys
from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Tags, register
from django.db import DatabaseError, connections, router

from ..models import TrackingSession
from ..store import partitions
from .database import database_of_sessions
from .settings import parsed

COMMAND = "python manage.py jay_partition_sessions"


@register()
def check_database(**kwargs: Any) -> list[CheckMessage]:
    """Refuse `PARTITIONS` with another database than PostgreSQL."""
    values, _ = parsed()
    if values.get("partitions") is None or database_of_sessions()[1] == "postgresql":
        return []
    return [
        checks.Error(
            "PARTITIONS needs PostgreSQL.",
            hint='Remove "PARTITIONS" from JAY_SESSIONS, or store sessions in PostgreSQL.',
            id="jay_sessions.E106",
        )
    ]


@register()
def check_number_to_come(**kwargs: Any) -> list[CheckMessage]:
    """Warn if `RETENTION` will take too many partitions of this length."""
    values, _ = parsed()
    length, retention = values.get("partitions"), values.get("retention")
    if length is None or retention is None:
        return []
    number = length.most_within(retention) + partitions.AHEAD
    if number <= partitions.MOST:
        return []
    return [
        checks.Warning(
            f'With RETENTION and PARTITIONS "{length}" there will be up to {number:,} partitions. With '
            f"more than {partitions.MOST}, queries are slow to plan.",
            hint='Write: JAY_SESSIONS = {"PARTITIONS": "month"}, or a shorter RETENTION.',
            id="jay_sessions.W129",
        )
    ]


@register(Tags.database)
def check_number(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of too many partitions: queries are slow to plan."""
    number = max((len(table.partitions) for table in _tables(databases)), default=0)
    if number <= partitions.MOST:
        return []
    return [
        checks.Warning(
            f"There are {number:,} partitions. With more than {partitions.MOST}, queries are slow to plan.",
            hint=f'Set a RETENTION, or longer PARTITIONS such as "month", and type: {COMMAND}',
            id="jay_sessions.W130",
        )
    ]


@register(Tags.database)
def check_partitioned(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Warn if `PARTITIONS` is set but a table is plain, or the reverse."""
    values, _ = parsed()
    is_wanted = values.get("partitions") is not None
    other = [table.name for table in _tables(databases) if table.is_partitioned != is_wanted]
    if not other:
        return []
    if is_wanted:
        message = f"PARTITIONS is set, but {other[0]} is not partitioned."
        hint = f"Type: {COMMAND}; with --attach if the table has rows."
    else:
        message = f"{other[0]} is partitioned, but PARTITIONS is not set: nothing makes the next partitions."
        hint = 'Write: JAY_SESSIONS = {"PARTITIONS": "month"}, or the length that it has.'
    return [checks.Warning(message, hint=hint, id="jay_sessions.W131")]


def _tables(databases: Sequence[str] | None) -> list[partitions.Table]:
    alias = router.db_for_write(TrackingSession)
    # `migrate` runs the checks first, and makes plain tables.
    is_asked = alias in (databases or ()) and sys.argv[1:2] not in (["migrate"], ["test"])
    if not is_asked or connections[alias].vendor != "postgresql":
        return []
    try:
        return partitions.tables(alias)
    except DatabaseError:
        return []
