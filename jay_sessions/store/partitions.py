"""The partitions of the tables of sessions and ends: what is there, made ahead and dropped. PostgreSQL only.

Both tables are partitioned by range of `session_id`, so by the time in it. The oldest partition has no lower
bound: it takes imported sessions, however old they are. There is no DEFAULT partition: PostgreSQL detaches
none concurrently beside one.
"""

import datetime
import functools
import re
import uuid
from collections.abc import Callable
from typing import NamedTuple

from django.db import connections

from ..core.spans import Length
from ..core.uuid7 import LATEST, first_id, moment_of
from ..database import clock
from ..database.errors import RANGE, translating_errors
from ..database.short_locks import insistently, one_change, run_alone
from ..models import EndedSession, TrackingSession

AHEAD = 3
"""How many periods after the current one have a partition, by default."""

MOST = 60
"""With more partitions than this, a query takes too long to plan, and too many locks."""

TABLES = (TrackingSession._meta.db_table, EndedSession._meta.db_table)


class Partition(NamedTuple):
    """A partition. It takes the ids from `begin` on and before `end`; None means that there is no bound.

    `name` is written as in SQL. `is_leaving`: its detaching was interrupted, and queries do not see it.
    """

    name: str
    begin: uuid.UUID | None
    end: uuid.UUID | None
    is_leaving: bool


class Table(NamedTuple):
    """One of `TABLES`, partitioned or not. `schema` is written as in SQL; the oldest partition is first.

    `end` is a bound that a plain table has while it is about to become a partition.
    """

    name: str
    schema: str
    is_partitioned: bool
    partitions: list[Partition]
    end: uuid.UUID | None

    @property
    def in_sql(self) -> str:
        return f"{self.schema}.{self.name}"

    def partition_name(self, begin: uuid.UUID | None, end: uuid.UUID) -> str:
        """Return the name of the partition with these bounds: no other one has had it."""
        return f"{self.name}_{'oldest' if begin is None else _date(begin)}_{_date(end)}"


def _date(bound: uuid.UUID) -> str:
    return f"{moment_of(bound):%Y%m%d}"


def tables(alias: str) -> list[Table]:
    """Return the tables of sessions and ends. Database errors pass through."""
    if connections[alias].vendor != "postgresql":
        return [Table(name, "", False, [], None) for name in TABLES]
    with connections[alias].cursor() as cursor:
        cursor.execute(_TABLES, [RANGE, *TABLES])
        rows = cursor.fetchall()
    found: dict[str, Table] = {}
    for name, schema, is_partitioned, limit, partition, bounds, is_leaving in rows:
        table = found.setdefault(name, Table(name, schema, is_partitioned, [], _bounds(limit)[-1]))
        if partition is not None:
            begin, end = _bounds(bounds)
            table.partitions.append(Partition(partition, begin, end, is_leaving))
    for table in found.values():
        table.partitions.sort(key=lambda partition: partition.begin or _LOWEST)
    return [found[name] for name in TABLES]


_TABLES = """
SELECT
    whole.relname, whole.relnamespace::regnamespace::text, whole.relkind = 'p',
    (SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = whole.oid AND conname = %s),
    part.oid::regclass::text, pg_get_expr(part.relpartbound, part.oid), inhdetachpending
FROM pg_class whole
LEFT JOIN pg_inherits ON inhparent = whole.oid
LEFT JOIN pg_class part ON part.oid = inhrelid
WHERE whole.oid IN (%s::regclass, %s::regclass)
"""

_LOWEST = uuid.UUID(int=0)

_BOUND = re.compile(r"'([0-9a-f-]{36})'|MINVALUE|MAXVALUE")


def _bounds(text: str | None) -> list[uuid.UUID | None]:
    """Read what PostgreSQL writes: FOR VALUES FROM (MINVALUE) TO ('…'), CHECK ((session_id < '…'::uuid))."""
    texts = _BOUND.findall(text or "")
    return [uuid.UUID(text) if text else None for text in texts] or [None, None]


def room_until(alias: str, moment: datetime.datetime) -> datetime.datetime:
    """Return the time before which sessions find a partition that start at `moment` (aware) or later.

    `moment` itself if there is no partition for it; `LATEST` for plain tables. Database errors pass through.
    """
    return min(_room_until(table, moment) for table in tables(alias))


def _room_until(table: Table, moment: datetime.datetime) -> datetime.datetime:
    if not table.is_partitioned:
        return LATEST if table.end is None else max(moment_of(table.end), moment)
    reached = first_id(moment)
    for partition in table.partitions:
        if not partition.is_leaving and (partition.begin or _LOWEST) <= reached:
            if partition.end is None:
                return LATEST
            reached = max(reached, partition.end)
    return moment_of(reached)


def make(alias: str, length: Length, ahead: int) -> int:
    """Make partitions for the current period and `ahead` more.

    If runs were left out, one partition takes the time since the last one. Returns how many sessions'
    partitions were made. Plain tables stay as they are. Raises StoreUnavailable.
    """
    with translating_errors():
        moment = clock.now(alias)
        bounds = [first_id(end) for end in length.ends(moment, ahead)]
        return _make(alias, lambda table: _ranges_ahead(table, bounds))


_Range = tuple[uuid.UUID | None, uuid.UUID]
_Ranges = Callable[[Table], list[_Range]]


def _make(alias: str, ranges_of: _Ranges) -> int:
    return max(insistently(functools.partial(_fill, alias, name, ranges_of)) for name in TABLES)


def _fill(alias: str, name: str, ranges_of: _Ranges) -> int:
    with one_change(alias) as cursor:
        # Two runs at the same time take turns. Readers and writers are not kept waiting.
        cursor.execute(f"LOCK TABLE {name} IN SHARE UPDATE EXCLUSIVE MODE")
        [table] = [table for table in tables(alias) if table.name == name]
        ranges = ranges_of(table) if table.is_partitioned else []
        for begin, end in ranges:
            part = f"{table.schema}.{table.partition_name(begin, end)}"
            # Not with PARTITION OF: this locks out all readers and writers of the table.
            cursor.execute(f"CREATE TABLE {part} (LIKE {table.in_sql} INCLUDING ALL)")
            cursor.execute(attaching(table.in_sql, part, begin, end))
    return len(ranges)


def attaching(table: str, part: str, begin: uuid.UUID | None, end: uuid.UUID) -> str:
    """Return the statement that makes a table a partition."""
    lower = "MINVALUE" if begin is None else f"'{begin}'"
    return f"ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES FROM ({lower}) TO ('{end}')"


def _ranges_ahead(table: Table, bounds: list[uuid.UUID]) -> list[_Range]:
    begin = table.partitions[-1].end if table.partitions else None
    if table.partitions and begin is None:
        return []
    ranges: list[_Range] = []
    for end in bounds:
        if begin is None or begin < end:
            ranges.append((begin, end))
            begin = end
    return ranges


def _oldest_range(table: Table) -> list[_Range]:
    oldest = table.partitions[0].begin if table.partitions else None
    return [] if oldest is None else [(None, oldest)]


def drop(alias: str, limit: datetime.datetime | None) -> int:
    """Drop the partitions for sessions that started before `limit` (aware), and finish interrupted drops.

    The oldest partition is made anew, empty, for imports. Returns how many sessions' partitions were dropped.
    Raises StoreUnavailable.
    """
    bound = None if limit is None else first_id(limit)
    with translating_errors():
        if not any(table.is_partitioned for table in tables(alias)):
            return 0
        dropped = [_drop(alias, name, bound) for name in TABLES]
        _make(alias, _oldest_range)
    return dropped[0]


def _drop(alias: str, name: str, bound: uuid.UUID | None) -> int:
    count = 0
    while (step := insistently(lambda: _step(alias, name, bound))) is not None:
        count += step
    return count


def _step(alias: str, name: str, bound: uuid.UUID | None) -> int | None:
    """Detach a partition, or drop those that are detached.

    Returns how many were dropped, None if nothing is left. Each step may be the last one of a run: the next
    run sees what is left to do.
    """
    [table] = [table for table in tables(alias) if table.name == name]
    # Without CONCURRENTLY, all inserts would wait as long as a reader is at work.
    how = {partition.name: "CONCURRENTLY" for partition in _old(alias, table, bound)}
    how |= {partition.name: "FINALIZE" for partition in table.partitions if partition.is_leaving}
    # PostgreSQL refuses to detach another one before it.
    for partition in sorted(how, key=lambda partition: how[partition], reverse=True):
        run_alone(alias, f"ALTER TABLE {table.in_sql} DETACH PARTITION {partition} {how[partition]}")
        return 0
    detached = [] if bound is None else _detached(alias, table, bound)
    if not detached:
        return None
    with one_change(alias) as cursor:
        for part in detached:
            cursor.execute(f"DROP TABLE {part}")
    return len(detached)


def _old(alias: str, table: Table, bound: uuid.UUID | None) -> list[Partition]:
    if bound is None:
        return []
    old = [partition for partition in table.partitions if partition.end and partition.end <= bound]
    # The oldest one is left if it is empty and would only be made again.
    return [] if len(old) == 1 and old[0].begin is None and _is_empty(alias, old[0]) else old


def _is_empty(alias: str, partition: Partition) -> bool:
    with connections[alias].cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT FROM {partition.name})")  # noqa: S608 (our own names)
        [is_there] = cursor.fetchone()
    return not is_there


def _detached(alias: str, table: Table, bound: uuid.UUID) -> list[str]:
    with connections[alias].cursor() as cursor:
        cursor.execute(_DETACHED, [table.in_sql, f"^{table.name}_(oldest|[0-9]{{8}})_[0-9]{{8}}$"])
        return [part for part, end in cursor.fetchall() if end <= _date(bound)]


_DETACHED = """
SELECT part.oid::regclass::text, right(part.relname, 8)
FROM pg_class part JOIN pg_class whole USING (relnamespace)
WHERE whole.oid = %s::regclass AND part.relkind = 'r' AND NOT part.relispartition AND part.relname ~ %s
"""
