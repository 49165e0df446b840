"""Starts and ends sessions in 64 threads, and reads what that costs PostgreSQL."""

import concurrent.futures
import dataclasses
import random
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from django.db import connection, connections

from bench.analytics.visits import PLAYOUTS, PROVIDERS
from bench.tracking import environment, machine

from . import filling

THREADS = 64
ROUNDS = 3

One = TypeVar("One")
Answer = TypeVar("Answer")


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """Of each row: processor time of PostgreSQL, bytes of WAL, and those of them that are images of pages."""

    rate: float
    cpu: float
    wal: float
    images: float


class Meter:
    """Reads processor time and WAL of the cluster that the default connection leads to."""

    def __init__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SHOW data_directory")
            self._directory = Path(cursor.fetchone()[0])
        self._postmaster = int((self._directory / "postmaster.pid").read_text().split()[0])

    def checkpoint(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")

    def read(self, rows: int, work: Callable[[], None]) -> Reading:
        """Do the work, and return what it costs for each of its rows."""
        pids = machine.family(self._postmaster)
        before, wal, begun = machine.cpu_seconds(pids), self._position(), time.perf_counter()
        work()
        seconds, end = time.perf_counter() - begun, self._position()
        # A process that has ended is in the postmaster's time.
        pids = sorted({*pids, *machine.family(self._postmaster)})
        cpu = machine.cpu_seconds(pids) - before
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_wal_lsn_diff(%s, %s)::bigint", [end, wal])
            [size] = cursor.fetchone()
        return Reading(rows / seconds, cpu / rows * 1e6, size / rows, self._images(wal, end) / rows)

    def _position(self) -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_flush_lsn()::text")
            return str(cursor.fetchone()[0])

    def _images(self, begin: str, end: str) -> int:
        programs = environment.postgres_programs()
        assert programs is not None
        files = str(self._directory / "pg_wal")
        command = [str(programs / "pg_waldump"), "--stats", "-p", files, "-s", begin, "-e", end]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        total = re.search(r"^Total\s+\d+\s+\d+ \[\S+\]\s+(\d+) ", said, re.MULTILINE)
        assert total is not None, said
        return int(total[1])


def visitors(rows: int, rng: random.Random) -> Iterator[tuple[str, str | None]]:
    """Yield playouts, and a user for 70 % of them, spread as in a table with so many rows."""
    while True:
        number = int(PLAYOUTS ** rng.random()) - 1
        user = f"user-{int(filling.users(rows) * rng.random() ** 2):07d}"
        has_user = rng.random() < filling.WITH_USER
        yield f"{PROVIDERS[number % len(PROVIDERS)]}-de:{number:04d}", user if has_user else None


def measure(rows: int, count: int) -> dict[str, dict[str, float]]:
    """Start `count` sessions after a checkpoint, and `count` more in each of some rounds; end them likewise.

    Returns the readings of the first parts, and the medians of the rounds.
    """
    from jay_sessions import sessions

    meter, visits = Meter(), visitors(rows, random.Random(rows))
    parts: list[list[str]] = []
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:

        def start() -> None:
            parts.append(_in_threads(pool, given.pop(), lambda one: str(sessions.start(*one).encoded)))

        def end() -> None:
            assert sum(_in_threads(pool, parts.pop(0), lambda token: sessions.end([token]))) == count

        given = [[next(visits) for _ in range(count)] for _ in range(1 + ROUNDS)]
        found: dict[str, Reading] = {}
        for name, work in (("start", start), ("end", end)):
            meter.checkpoint()
            first, *others = [meter.read(count, work) for _ in range(1 + ROUNDS)]
            found |= {f"{name}, first part": first, name: _median(others)}
        _in_threads(pool, range(THREADS), lambda _: connections.close_all())
    return {part: dataclasses.asdict(reading) for part, reading in found.items()}


def _median(readings: list[Reading]) -> Reading:
    columns = zip(*map(dataclasses.astuple, readings), strict=True)
    return Reading(*map(statistics.median, columns))


def _in_threads(
    pool: concurrent.futures.Executor, given: Sequence[One], work: Callable[[One], Answer]
) -> list[Answer]:
    def share(number: int) -> list[Answer]:
        return [work(one) for one in given[number::THREADS]]

    return [answer for answers in pool.map(share, range(THREADS)) for answer in answers]
