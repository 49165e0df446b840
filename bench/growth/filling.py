"""Fills the tables by SQL: sessions as those of `bench.analytics.fill`, without indexes at first."""

import concurrent.futures
import contextlib
import dataclasses
import datetime
import io
import os
from collections.abc import Iterator
from typing import Any
from unittest import mock

from django.core.management import call_command
from django.db import connection, connections

from bench.analytics.visits import PLAYOUTS, PROVIDERS, USERS_PER_SESSION

SESSIONS, ENDS = "jay_tracking_session", "jay_ended_session"
ENDED = 0.6
WITH_USER = 0.7
_GROWTH = 0.8
_HALF_A_MONTH = datetime.timedelta(days=15)
"""In the first half of a month, one partition takes it and the month before: so new sessions meet many."""
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta.resolution


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """So many sessions between two times. With a `growth` below 1, more and more of them come."""

    rows: int
    begin: datetime.datetime
    end: datetime.datetime
    growth: float = 1

    def number(self, moment: datetime.datetime) -> int:
        """Return how many sessions start before this time, roughly."""
        part = max(0.0, (moment - self.begin) / (self.end - self.begin))
        return min(self.rows, int(self.rows * part ** (1 / self.growth)))


def year(rows: int, end: datetime.datetime) -> Span:
    """Return the sessions of a site that grows, in the year before `end`."""
    return Span(rows, end - datetime.timedelta(days=365), end, _GROWTH)


def users(rows: int) -> int:
    return max(10, int(rows * USERS_PER_SESSION))


def plain(span: Span) -> None:
    """Fill plain tables, in which a session has its end as a column."""
    with connection.cursor() as cursor:
        _prepare(cursor)
        with _without_indexes(cursor, SESSIONS):
            cursor.execute(_insert(SESSIONS, span, has_ends=True))
        cursor.execute(f"VACUUM ANALYZE {SESSIONS}")


def unpartitioned(span: Span) -> None:
    """Fill plain tables of sessions and ends."""
    with connection.cursor() as cursor:
        _prepare(cursor)
        with _without_indexes(cursor, SESSIONS):
            cursor.execute(_insert(SESSIONS, span))
        with _without_indexes(cursor, ENDS):
            cursor.execute(_ENDS.format(ends=ENDS, sessions=SESSIONS, ended=ENDED))
        cursor.execute(f"VACUUM ANALYZE {SESSIONS}, {ENDS}")


def partitioned(span: Span) -> None:
    """Make a partition for each month of the span, and some ahead; fill them side by side."""
    from jay_sessions.store.partitions import attaching, tables

    _make_partitions(span.begin)
    parts = [
        pair
        for pair in zip(*(table.partitions for table in tables("default")), strict=True)
        if span.number(_moment(pair[0].end)) and (pair[0].begin is None or _moment(pair[0].begin) < span.end)
    ]
    with connection.cursor() as cursor:
        for pair in parts:
            for table, part in zip((SESSIONS, ENDS), pair, strict=True):
                cursor.execute(f"ALTER TABLE {table} DETACH PARTITION {part.name}")
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            # The newest first: they are the largest.
            list(pool.map(lambda pair: _fill(span, *pair), reversed(parts)))
        for pair in parts:
            for table, part in zip((SESSIONS, ENDS), pair, strict=True):
                cursor.execute(attaching(table, part.name, part.begin, part.end))
        cursor.execute(f"ANALYZE {SESSIONS}, {ENDS}")


def _make_partitions(begin: datetime.datetime) -> None:
    from jay_sessions.database import clock

    nowhere = io.StringIO()
    current = clock.now("default") - _HALF_A_MONTH
    months = (current.year - begin.year) * 12 + current.month - begin.month
    if months > 0:
        # As if the tables had been partitioned when the first session started.
        with mock.patch.object(clock, "now", return_value=begin):
            call_command("jay_partition_sessions", ahead=months - 1, stdout=nowhere)
    # One partition takes all the time since the last one.
    call_command("jay_partition_sessions", stdout=nowhere)


def _fill(span: Span, sessions: Any, ends: Any) -> None:
    begin = span.begin if sessions.begin is None else _moment(sessions.begin)
    try:
        with connection.cursor() as cursor:
            _prepare(cursor)
            with _without_indexes(cursor, sessions.name):
                cursor.execute(_insert(sessions.name, span, begin, _moment(sessions.end)))
            with _without_indexes(cursor, ends.name):
                cursor.execute(_ENDS.format(ends=ends.name, sessions=sessions.name, ended=ENDED))
            cursor.execute(f"VACUUM {sessions.name}, {ends.name}")
    finally:
        connections.close_all()


def _prepare(cursor: Any) -> None:
    cursor.execute("SET maintenance_work_mem = '512MB'")
    cursor.execute("SET synchronous_commit = off")


@contextlib.contextmanager
def _without_indexes(cursor: Any, table: str) -> Iterator[None]:
    """Take the indexes off a table, and build them anew when the block ends."""
    cursor.execute(_INDEXES, {"table": table})
    found = cursor.fetchall()
    for drop, _ in found:
        cursor.execute(drop)
    yield
    for _, create in found:
        cursor.execute(create)


_INDEXES = """
SELECT
    CASE WHEN conname IS NULL THEN format('DROP INDEX %%s', indexrelid::regclass)
    ELSE format('ALTER TABLE %%s DROP CONSTRAINT %%I', indrelid::regclass, conname) END,
    CASE WHEN conname IS NULL THEN pg_get_indexdef(indexrelid) ELSE format(
        'ALTER TABLE %%s ADD CONSTRAINT %%I %%s', indrelid::regclass, conname,
        pg_get_constraintdef(pg_constraint.oid)
    ) END
FROM pg_index LEFT JOIN pg_constraint ON conindid = indexrelid AND conrelid = indrelid
WHERE indrelid = %(table)s::regclass
"""


def add(span: Span) -> None:
    """Insert some more sessions, without ends, into tables with indexes."""
    with connection.cursor() as cursor:
        cursor.execute(_insert(SESSIONS, span))


def _insert(
    table: str,
    span: Span,
    begin: datetime.datetime | None = None,
    end: datetime.datetime | None = None,
    *,
    has_ends: bool = False,
) -> str:
    """Return the statement that stores those sessions of the span that start between two times."""
    begin, end = max(begin or span.begin, span.begin), min(end or span.end, span.end)
    names = ", ".join(f"'{name}'" for name in PROVIDERS)
    return _SESSIONS.format(
        table=table,
        more=", ended_at" if has_ends else "",
        ended_at=f", CASE WHEN random() < {ENDED} THEN {_STARTED} {_LATER} END" if has_ends else "",
        started=_STARTED,
        names=names,
        with_user=WITH_USER,
        users=users(span.rows),
        playouts=PLAYOUTS,
        providers=len(PROVIDERS),
        rows=span.rows,
        first=max(0, span.number(begin) - 1),
        last=min(span.rows, span.number(end) + 2) - 1,
        span_begin=_us(span.begin),
        length=_us(span.end) - _us(span.begin),
        growth=span.growth,
        begin=_us(begin),
        end=_us(end),
    )


_STARTED = "timestamptz 'epoch' + us * interval '1 microsecond'"
# 40 minutes in the mean.
_LATER = "- ln(1 - random()) * interval '40 minutes'"

# The id is that of core/uuid7.py: milliseconds, the fraction of the millisecond, and 62 random bits.
# Times are not random, so that it is certain which partition a session belongs to.
_SESSIONS = """
INSERT INTO {table} (session_id, playout_id, provider_name, user_id, source, started_at{more})
SELECT
    (
        lpad(to_hex(us / 1000), 12, '0') || '7' || lpad(to_hex((us % 1000 << 12) / 1000), 3, '0')
        || to_hex(8 + floor(random() * 4)::int)
        || lpad(to_hex(floor(random() * (1::bigint << 32))::bigint), 8, '0')
        || lpad(to_hex(floor(random() * (1 << 28))::bigint), 7, '0')
    )::uuid,
    provider || '-de:' || lpad(playout::text, 4, '0'),
    provider,
    CASE WHEN random() < {with_user}
        THEN 'user-' || lpad(floor({users} * power(random(), 2))::bigint::text, 7, '0') END,
    'jay.api.playout.1.0.0',
    {started}{ended_at}
FROM (
    SELECT us, playout, (ARRAY[{names}])[playout % {providers} + 1] AS provider
    FROM (
        SELECT us, floor(power({playouts}, random()))::int - 1 AS playout
        FROM (
            SELECT
                {span_begin} + round({length} * power((n + 0.5::float8) / {rows}, {growth}))::bigint AS us
            FROM generate_series({first}::bigint, {last}::bigint) AS n
        ) AS times
        WHERE us >= {begin} AND us < {end}
    ) AS starts
) AS named
"""

# Each end has another transaction, as those of clients have: below all real ones, so that no end is new.
_ENDS = f"""
INSERT INTO {{ends}} (session_id, ended_at, transaction, reason)
SELECT session_id, started_at {_LATER}, row_number() OVER () - (1::bigint << 40), 'client'
FROM {{sessions}} WHERE random() < {{ended}}
"""


def _us(moment: datetime.datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(bound: Any) -> datetime.datetime:
    from jay_sessions.core.uuid7 import moment_of

    return moment_of(bound)


def sizes() -> dict[str, float]:
    """Return the bytes of the tables and of their indexes, by row."""
    found: dict[str, float] = {}
    with connection.cursor() as cursor:
        for name, table in (("sessions", SESSIONS), ("ends", ENDS)):
            cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
            if cursor.fetchone() == (True,):
                cursor.execute(_SIZES.format(table=table))
                rows, heap, indexes = cursor.fetchone()
                # Before, this table had notes that an hour later were gone.
                if rows:
                    found |= {f"{name}, heap": heap / rows, f"{name}, indexes": indexes / rows}
    return found


_SIZES = """
SELECT
    (SELECT count(*) FROM {table}), sum(pg_table_size(relid))::bigint, sum(pg_indexes_size(relid))::bigint
FROM (
    SELECT relid::oid FROM pg_partition_tree('{table}') UNION SELECT '{table}'::regclass::oid
) AS parts (relid)
"""
