"""Purges a month of sessions while others start."""

import datetime
import io
import random
import threading
import time
from typing import Any

from django.core.management import call_command
from django.db import connection, connections
from django.test import override_settings

from bench.analytics.measure import timed

from . import load
from .counting import roll_up

THREADS = 4
_CONNECTED, _ALONE = 1, 3
"""Seconds for which the threads insert, before it is timed and then before the purge begins."""


def measure(rows: int, month: int) -> dict[str, float]:
    """Purge the first month with at least so many sessions, beside the inserts of 4 threads.

    The months before it are purged earlier. Returns seconds, and the longest inserts in milliseconds.
    """
    before, end, purged = _month(month)
    # What is new is counted by the site's next run, and is no work of the purge.
    roll_up()
    if before is not None:
        _purge(before)
    inserts = Inserts(rows)
    try:
        time.sleep(_CONNECTED)
        first = len(inserts.times)
        time.sleep(_ALONE)
        begun = len(inserts.times)
        seconds = timed(lambda: _purge(end))
    finally:
        inserts.stop()
    return {
        "sessions": purged,
        "seconds": seconds,
        "longest insert": max(inserts.times[begun:]) * 1000,
        "longest insert before it": max(inserts.times[first:begun]) * 1000,
    }


class Inserts:
    """Threads that start one session after the other."""

    def __init__(self, rows: int) -> None:
        self.times: list[float] = []
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._insert, args=[rows, random.Random(number)])
            for number in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def _insert(self, rows: int, rng: random.Random) -> None:
        from jay_sessions import sessions

        for playout, user in load.visitors(rows, rng):
            if self._is_over.is_set():
                break
            begun = time.perf_counter()
            sessions.start(playout, user)
            self.times.append(time.perf_counter() - begun)
        connections.close_all()

    def stop(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()


def _month(least: int) -> tuple[datetime.datetime | None, datetime.datetime, int]:
    """Return begin, end and sessions of the first month with so many; else of the largest past one."""
    from jay_sessions.core.uuid7 import moment_of
    from jay_sessions.store.partitions import tables

    [partitions, _] = [table.partitions for table in tables("default")]
    found = []
    for part in partitions:
        if part.end is None or moment_of(part.end) > datetime.datetime.now(datetime.UTC):
            break
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {part.name}")
            [count] = cursor.fetchone()
        found.append((None if part.begin is None else moment_of(part.begin), moment_of(part.end), count))
    enough = (month for month in found if month[2] >= least)
    return next(enough, max(found, key=lambda month: month[2]))


def _purge(until: datetime.datetime) -> None:
    """Run `jay_purge_sessions` with the retention that frees all sessions before this time."""
    from django.conf import settings

    from jay_sessions.database import clock

    retention = (clock.now("default") - clock.MARGIN - until).total_seconds() - 1
    changed: dict[str, Any] = {**settings.JAY_SESSIONS, "RETENTION": retention, "SESSION_LIFETIME": 86_400}
    nowhere = io.StringIO()
    with override_settings(JAY_SESSIONS=changed):
        call_command("jay_purge_sessions", stdout=nowhere, stderr=nowhere)
