"""Measure what a session costs with few rows and with many: `python -m bench.growth`.

Before is an earlier commit with plain tables, after is this tree with partitions by month. Needs Linux, git,
and PostgreSQL's server programs. Each run makes a cluster of its own, and removes it.
"""

import argparse
import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.tracking import cluster, environment

from . import report
from .task import ROOT, Task

BASE = 10_000
"""The size beside which the pages grow."""

MONTH = 0.08
"""The month that is purged has at least this part of all sessions: 4 million of 50 million."""

ROW = 600
"""Bytes of disk that a row needs with its indexes and its end."""

WAL = 8 << 30
"""Bytes that the WAL needs at the most: twice `max_wal_size`."""


def sizes(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m bench.growth",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument("--before", metavar="COMMIT", default="9f53ed8", help="an earlier commit")
    made.add_argument("--before-sizes", type=sizes, default="1000000,10000000", help='"": measure none')
    made.add_argument("--sizes", type=sizes, default="1000000,10000000,50000000")
    made.add_argument(
        "--days", type=sizes, default="10000,1000000", help="sessions of a day, for the rollups"
    )
    made.add_argument("--starts", type=int, default=20_000, help="of each of the parts of the load")
    made.add_argument("--count", type=int, default=1_000_000, help="the biggest size that is rolled up")
    return made


def main() -> None:
    given = parser().parse_args()
    if environment.postgres_programs() is None:
        sys.exit("bench.growth needs the server programs of PostgreSQL (initdb, pg_ctl, pg_waldump).")
    if lacking := lacks_disk(max([*given.sizes, *given.before_sizes, *given.days, BASE])):
        sys.exit(lacking)
    # So that what was started is stopped again.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))
    found: report.Found = {}
    days: report.Found = {}
    before = earlier(given.before) if given.before_sizes else contextlib.nullcontext("")
    try:
        with before as tree, server() as own:
            for key, task in tasks(given, tree):
                print(f"{key[0]}, {key[1]:,}{' of a day' * task.is_day} …", file=sys.stderr, flush=True)
                (days if task.is_day else found)[key] = task.run(own.create("growth"))
                own.sql("DROP DATABASE growth WITH (FORCE)")
    finally:
        # Also what was measured before a failure.
        for line in (*report.tables(found, days), *report.wanted(found, days)):
            print(line, flush=True)


def lacks_disk(rows: int) -> str:
    """Return in one line which disk is too small for so many rows, "" if it has room."""
    directory = tempfile.gettempdir()
    needed, free = rows * ROW + min(WAL, rows * ROW), shutil.disk_usage(directory).free
    if free >= needed:
        return ""
    return (
        f"{rows:,} sessions need {needed / 1e9:.1f} GB in {directory}, and {free / 1e9:.1f} GB are free. "
        "Set TMPDIR to a directory with more, or give smaller --sizes."
    )


@contextlib.contextmanager
def earlier(commit: str) -> Iterator[str]:
    """Check the commit out beside this tree, and remove it when the block ends."""
    with tempfile.TemporaryDirectory(prefix="jay-bench-") as directory:
        tree = str(Path(directory).resolve() / "before")
        git = ("git", "-C", str(ROOT), "worktree")
        subprocess.run([*git, "add", "--quiet", "--detach", tree, commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", tree], check=True)


@contextlib.contextmanager
def server() -> Iterator[cluster.Cluster]:
    """Run a cluster that vacuums nothing by itself: the load would be measured with it or without it."""
    with cluster.running() as own:
        own.sql("ALTER SYSTEM SET autovacuum = off")
        own.sql("SELECT pg_reload_conf()")
        yield own


def tasks(given: argparse.Namespace, tree: str) -> Iterator[tuple[tuple[str, int], Task]]:
    """Yield all that is to be measured, each in an empty database."""
    if tree:
        for rows in given.days:
            yield ("before", rows), Task(tree, rows, is_partitioned=False, is_day=True)
        for rows in given.before_sizes:
            counts = rows <= given.count
            yield (
                ("before", rows),
                Task(tree, rows, is_partitioned=False, counts=counts, load=True, starts=given.starts),
            )
    for rows in given.days:
        yield ("after", rows), Task(str(ROOT), rows, is_partitioned=True, is_day=True)
    for rows in sorted({BASE, *given.sizes}):
        task = Task(
            str(ROOT),
            rows,
            is_partitioned=True,
            counts=rows <= given.count,
            pages=True,
            load=rows in given.sizes,
            purge=rows == max(given.sizes),
            starts=given.starts,
            month=int(rows * MONTH),
        )
        yield ("after", rows), task


if __name__ == "__main__":
    main()
