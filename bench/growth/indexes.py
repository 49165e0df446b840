"""What each index costs, and what it is worth: `python -m bench.growth.indexes`.

The cost of an index is that of a table with all indexes, less that of a table without this one. Beside it
stands the time of a question that the index answers, and the time without the index.
"""

import argparse
import datetime
import json
import os
import statistics
from collections.abc import Iterator
from typing import Any, NamedTuple

import django
import psycopg

from bench.tracking import cluster, machine

BATCH = 60
ROUNDS = 3
MORE = 120_000


class Index(NamedTuple):
    """An index by the beginning of its name, and a question for it; `columns` if the app does not have it."""

    table: str
    name: str
    question: str
    columns: str = ""


_S, _E = "jay_tracking_session", "jay_ended_session"
_PAGE = f"SELECT * FROM {_S} WHERE {{}} ORDER BY session_id DESC LIMIT 51"
INDEXES = [
    Index(_S, f"{_S}_pkey", _PAGE.format("TRUE")),
    Index(_S, "jay_session_playout", _PAGE.format("playout_id = 'mubi-de:0999'")),
    Index(_S, "jay_session_user", _PAGE.format("user_id = 'user-0000500'")),
    Index(_S, "jay_session_anonymous", _PAGE.format("user_id IS NULL")),
    Index(_S, "jay_session_zephr", _PAGE.format("zephr_session_id = 'abc'")),
    Index(_S, "provider", _PAGE.format("provider_name = 'mubi'"), "provider_name, session_id"),
    Index(_S, "source", _PAGE.format("source = 'jay.api.playout.1.0.0'"), "source, session_id"),
    Index(_E, f"{_E}_pkey", f"SELECT session_id FROM {_E} WHERE session_id = '{{id}}'"),
    Index(_E, f"{_E}_transaction", f'SELECT session_id FROM {_E} WHERE "transaction" >= 9000000000000000'),
    Index(_E, "jay_ended_deleted", f"SELECT session_id FROM {_E} WHERE reason = 'deleted' LIMIT 1000"),
]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.growth.indexes", description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    rows = parser.parse_args().rows
    with cluster.running() as own:
        own.sql("ALTER SYSTEM SET autovacuum = off")
        own.sql("SELECT pg_reload_conf()")
        url = own.create("growth")
        _fill(url, rows)
        with psycopg.connect(url, autocommit=True) as connection:
            print("| index | bytes | WAL, B | PostgreSQL, µs | its question | without it |")
            print(f"| --- |{' ---: |' * 5}")
            base = {table: _cost(connection, table) for table in (_S, _E)}
            for index in INDEXES:
                other = _cost(connection, index.table, index)
                sign = -1 if index.columns else 1
                parts = [
                    sign * (with_it - less) for with_it, less in zip(base[index.table], other, strict=True)
                ]
                times = [f"{found:,.2f} ms" for found in _times(connection, index)]
                name = f"{index.name} (not there)" if index.columns else index.name
                cells = [name, f"{parts[0]:.0f}", f"{parts[1]:.0f}", f"{parts[2]:.1f}", *times]
                print(f"| {' | '.join(cells)} |", flush=True)
            for table, (size, wal, cpu) in base.items():
                print(f"{table}, with all indexes: {size:.0f} B, WAL {wal:.0f} B, {cpu:.1f} µs a row")


def _fill(url: str, rows: int) -> None:
    os.environ |= {
        "DATABASE_URL": url,
        "SECRET_KEY": "bench",
        "DJANGO_SETTINGS_MODULE": "bench.growth.settings",
    }
    django.setup()
    from django.core.management import call_command

    from . import filling

    call_command("migrate", verbosity=0)
    filling.unpartitioned(filling.year(rows, datetime.datetime.now(datetime.UTC)))


def _cost(connection: Any, table: str, index: Index | None = None) -> tuple[float, float, float]:
    """Return the bytes, the WAL and the µs of a row, in a copy of the table without or with the index."""
    connection.execute("DROP TABLE IF EXISTS copy, more")
    connection.execute(f"CREATE TABLE copy (LIKE {table} INCLUDING DEFAULTS)")
    for statement in _statements(connection, table, index):
        connection.execute(statement)
    [count] = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    # In the order of their ids, as they come to a site.
    connection.execute(f"INSERT INTO copy SELECT * FROM {table} ORDER BY session_id LIMIT {count - MORE}")
    connection.execute(
        f"CREATE TABLE more AS SELECT *, (row_number() OVER (ORDER BY session_id) - 1) / {BATCH} AS batch "
        f"FROM (SELECT * FROM {table} ORDER BY session_id DESC LIMIT {MORE}) AS newest"
    )
    connection.execute("CREATE INDEX ON more (batch)")
    connection.execute("VACUUM ANALYZE copy, more")
    connection.execute("CHECKPOINT")
    names = [name for (name,) in connection.execute(_COLUMNS, [table])]
    columns = ", ".join(f'"{name}"' for name in names)
    insert = f"INSERT INTO copy ({columns}) SELECT {columns} FROM more WHERE batch = %s"
    part = MORE // BATCH // (ROUNDS + 1)
    # The first round changes pages for the first time, and so writes all of them.
    readings = [_read(connection, insert, range(part * n, part * (n + 1))) for n in range(ROUNDS + 1)][1:]
    wal, cpu = (statistics.median(values) for values in zip(*readings, strict=True))
    [size] = connection.execute("SELECT pg_total_relation_size('copy')").fetchone()
    return size / count, wal, cpu


_COLUMNS = """
SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""


def _statements(connection: Any, table: str, index: Index | None) -> Iterator[str]:
    found = connection.execute("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s", [table])
    for name, definition in found.fetchall():
        if index is None or index.columns or not name.startswith(index.name):
            yield definition.replace(f" {name} ON public.{table} ", " ON copy ")
    if index is not None and index.columns:
        yield f"CREATE INDEX ON copy ({index.columns})"


def _read(connection: Any, insert: str, batches: range) -> tuple[float, float]:
    pids, rows = [connection.info.backend_pid], len(batches) * BATCH
    [before] = connection.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
    begun = machine.cpu_seconds(pids)
    for number in batches:
        connection.execute(insert, [number], prepare=True)
    cpu = machine.cpu_seconds(pids) - begun
    [wal] = connection.execute("SELECT pg_current_wal_insert_lsn() - %s::pg_lsn", [before]).fetchone()
    return float(wal) / rows, cpu / rows * 1e6


def _times(connection: Any, index: Index) -> tuple[float, float]:
    """Return the milliseconds of the question with the index, and without it."""
    [pk] = connection.execute(f"SELECT session_id FROM {_E} LIMIT 1").fetchone()
    question = index.question.replace("{id}", str(pk))
    found = []
    for has_index in (True, False):
        with connection.transaction(force_rollback=True):
            if index.columns and has_index:
                connection.execute(f"CREATE INDEX ON {index.table} ({index.columns})")
            elif not index.columns and not has_index:
                connection.execute(_drop(connection, index))
            found.append(statistics.median(_explained(connection, question) for _ in range(ROUNDS)))
    return found[0], found[1]


def _drop(connection: Any, index: Index) -> str:
    if index.name.endswith("_pkey"):
        return f"ALTER TABLE {index.table} DROP CONSTRAINT {index.name}"
    query = "SELECT indexname FROM pg_indexes WHERE tablename = %s AND indexname LIKE %s"
    [name] = connection.execute(query, [index.table, f"{index.name}%"]).fetchone()
    return f"DROP INDEX {name}"


def _explained(connection: Any, question: str) -> float:
    [found] = connection.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {question}").fetchone()
    found = json.loads(found) if isinstance(found, str) else found
    return float(found[0]["Execution Time"])


if __name__ == "__main__":
    main()
