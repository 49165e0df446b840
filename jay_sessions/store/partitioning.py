"""Plain tables of sessions and ends become partitioned ones, beside live traffic. PostgreSQL only.

The plain table becomes the oldest partition, as it is. PostgreSQL must know that all its ids belong there. A
constraint says so beforehand, so that nothing is read while the table is locked.
"""

import contextlib
import datetime
import functools
import logging
from collections.abc import Iterator

from django.db import DatabaseError, connections
from django.db.backends.utils import CursorWrapper

from ..core.spans import Length
from ..core.uuid7 import first_id, moment_of
from ..database import clock
from ..database.errors import RANGE, translating_errors
from ..database.short_locks import insistently, one_change
from ..exceptions import JaySessionsError, StoreBusy
from .partitions import Table, attaching, tables

logger = logging.getLogger("jay_sessions")

_ROOM = datetime.timedelta(days=1)
"""The new partition takes at least this much of the future: sessions start while a long table is read."""


class CannotPartition(JaySessionsError):
    """A table cannot become partitioned as it is. The message says what to do."""


def partition(alias: str, length: Length, *, attach: bool) -> int:
    """Make the plain ones of the tables partitioned, and return how many these were.

    A table with rows needs `attach`. Raises CannotPartition, StoreUnavailable.
    """
    with translating_errors():
        plain = [table for table in tables(alias) if not table.is_partitioned]
        end = length.end_after(clock.now(alias) + _ROOM)
        for table in plain:
            _refuse(alias, table, end, attach=attach)
        for table in plain:
            with _bounded(alias, table, end) if attach else contextlib.nullcontext():
                insistently(functools.partial(_swap, alias, table, end, attach=attach))
    return len(plain)


def _refuse(alias: str, table: Table, end: datetime.datetime, *, attach: bool) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute(_DEPENDENTS, {"table": table.in_sql})
        if others := cursor.fetchall():
            names = ", ".join(sorted(name for (name,) in others))
            raise CannotPartition(
                f"{table.name} cannot be partitioned: {names} would stay with the oldest partition alone. "
                "Drop this, run the command again, and create it again."
            )
        cursor.execute(f"SELECT session_id FROM {table.in_sql} ORDER BY session_id DESC LIMIT 1")  # noqa: S608 (our own names)
        newest = cursor.fetchone()
    if newest is None:
        return
    if not attach:
        raise CannotPartition(_HAS_ROWS.format(table.name))
    if newest[0] >= first_id(end):
        raise CannotPartition(
            f"{table.name} has a session from {moment_of(newest[0]):%Y-%m-%d}, by its id. Delete those "
            f"with ids from {first_id(end)} on, and run the command again."
        )


_HAS_ROWS = "{} has rows. Run: python manage.py jay_partition_sessions --attach"

# Foreign keys to the table, views of it, triggers and publications.
_DEPENDENTS = """
SELECT 'the foreign key ' || conname FROM pg_constraint
WHERE confrelid = %(table)s::regclass AND contype = 'f'
UNION
SELECT 'the view ' || ev_class::regclass FROM pg_depend JOIN pg_rewrite ON pg_rewrite.oid = objid
WHERE classid = 'pg_rewrite'::regclass AND refobjid = %(table)s::regclass AND ev_class <> refobjid
UNION
SELECT 'the trigger ' || tgname FROM pg_trigger WHERE tgrelid = %(table)s::regclass AND NOT tgisinternal
UNION
SELECT 'the publication ' || pubname FROM pg_publication_rel JOIN pg_publication p ON p.oid = prpubid
WHERE prrelid = %(table)s::regclass
"""


@contextlib.contextmanager
def _bounded(alias: str, table: Table, end: datetime.datetime) -> Iterator[None]:
    """Let a constraint say that all ids are below `end`; the block must take it off again."""
    check = f"ADD CONSTRAINT {RANGE} CHECK (session_id < '{first_id(end)}') NOT VALID"
    # An earlier run may have left one.
    insistently(lambda: _alter(alias, table, f"DROP CONSTRAINT IF EXISTS {RANGE}, {check}"))
    try:
        # Reads the whole table, while others read and write.
        insistently(lambda: _alter(alias, table, f"VALIDATE CONSTRAINT {RANGE}"))
        yield
    except BaseException:
        # With it, no session could start from `end` on.
        try:
            insistently(lambda: _alter(alias, table, f"DROP CONSTRAINT IF EXISTS {RANGE}"))
        except (DatabaseError, StoreBusy):
            logger.error("The constraint %s stays. Run the command again before %s.", RANGE, end)  # noqa: TRY400 (one line each)
        raise


def _alter(alias: str, table: Table, change: str) -> None:
    with one_change(alias) as cursor:
        cursor.execute(f"ALTER TABLE {table.in_sql} {change}")


def _swap(alias: str, table: Table, end: datetime.datetime, *, attach: bool) -> None:
    """Make the plain table the oldest partition of a new one with its name, indexes, owner and rights."""
    old = table.partition_name(None, first_id(end))
    part = f"{table.schema}.{old}"
    with one_change(alias) as cursor:
        cursor.execute(f"LOCK TABLE {table.in_sql} IN ACCESS EXCLUSIVE MODE")
        cursor.execute(f"SELECT EXISTS (SELECT FROM {table.in_sql})")  # noqa: S608 (our own names)
        if cursor.fetchone() == (True,) and not attach:
            raise CannotPartition(_HAS_ROWS.format(table.name))
        made_of, rights = _indexes(cursor, table), _rights(cursor, table)
        cursor.execute(f"ALTER TABLE {table.in_sql} RENAME TO {old}")
        for name, _ in made_of:
            suffix = old.removeprefix(table.name)
            # PostgreSQL would cut off the end of a name that is longer.
            new = f"{name[: 63 - len(suffix)]}{suffix}"
            cursor.execute(f'ALTER INDEX {table.schema}."{name}" RENAME TO "{new}"')
        cursor.execute(
            f"CREATE TABLE {table.in_sql} (LIKE {part} INCLUDING ALL EXCLUDING INDEXES EXCLUDING CONSTRAINTS "
            "EXCLUDING STATISTICS) PARTITION BY RANGE (session_id)"
        )
        for statement in (*(sql for _, sql in made_of), *rights):
            cursor.execute(statement)
        cursor.execute(attaching(table.in_sql, part, None, first_id(end)))
        cursor.execute(f"ALTER TABLE {part} DROP CONSTRAINT IF EXISTS {RANGE}")


def _indexes(cursor: CursorWrapper, table: Table) -> list[tuple[str, str]]:
    """Return the indexes' names, and the statements that make them: the primary key's is a constraint."""
    cursor.execute(_INDEXES, {"table": table.in_sql})
    return [(name, statement) for name, statement in cursor.fetchall()]


_INDEXES = """
SELECT relname, CASE
    WHEN conname IS NULL THEN pg_get_indexdef(indexrelid)
    ELSE format(
        'ALTER TABLE %%s ADD CONSTRAINT %%I %%s', %(table)s, conname, pg_get_constraintdef(pg_constraint.oid)
    )
END
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
LEFT JOIN pg_constraint ON conindid = indexrelid AND conrelid = indrelid
WHERE indrelid = %(table)s::regclass AND indisvalid
"""


def _rights(cursor: CursorWrapper, table: Table) -> list[str]:
    """Return the statements that give a table of the same name the same owner and rights."""
    cursor.execute(_RIGHTS, {"table": table.in_sql})
    return [statement for (statement,) in cursor.fetchall()]


_RIGHTS = """
SELECT format('ALTER TABLE %%s OWNER TO %%s', %(table)s, relowner::regrole)
FROM pg_class WHERE oid = %(table)s::regclass AND relowner <> current_user::regrole
UNION ALL
SELECT format(
    'GRANT %%s%%s ON %%s TO %%s%%s', privilege_type, columns, %(table)s,
    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
    CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
)
FROM (
    SELECT relacl AS rights, '' AS columns FROM pg_class WHERE oid = %(table)s::regclass
    UNION ALL
    SELECT attacl, format('(%%I)', attname) FROM pg_attribute WHERE attrelid = %(table)s::regclass
) AS given, aclexplode(rights)
"""
