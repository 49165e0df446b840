"""What it costs that no wait is without end: an insert and a count of a throttle, bare and bounded.

    DATABASE_URL=postgres://… REDIS_URL=redis://… python -m bench.bounds

Both ways take turns in one process, a hundred calls at a time; what counts is the median of the processor's
time a call, and the ratio of both. The database gets a table of its own, which goes away at the end.
"""

import datetime
import os
import secrets
import statistics
import time
from collections.abc import Callable, Iterator

import django

ROUNDS, CALLS = 60, 100


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    os.environ.setdefault("SECRET_KEY", "bench-" * 10)
    django.setup()
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE jay_tracking_session (LIKE jay_tracking_session INCLUDING ALL)"
        )
    print(f"{'':12}{'bare':>12}{'bounded':>12}{'ratio':>8}")
    for name, bare, bounded in (("insert", *inserts()), ("count", *counts())):
        before, after = compared(bare, bounded)
        print(f"{name:12}{before * 1e6:>9.1f} µs{after * 1e6:>9.1f} µs{after / before:>8.2f}")


def inserts() -> tuple[Callable[[], object], Callable[[], object]]:
    from django.db import connections

    from jay_sessions.store import direct, statements

    following = rows()
    return (
        lambda: statements.insert(connections["default"], next(following)),
        lambda: direct.record(next(following)),
    )


def rows() -> Iterator["statements.Row"]:  # noqa: F821 (imported once there are settings)
    from jay_sessions.core.uuid7 import RANDOM_BITS, uuid7_text
    from jay_sessions.store.statements import Row

    while True:
        now = datetime.datetime.now(datetime.UTC)
        session_id = uuid7_text(now, secrets.randbits(RANDOM_BITS))
        yield Row(session_id, "netflix:1", "netflix", "user", "bench", now, None, None)


def counts() -> tuple[Callable[[], object], Callable[[], object]]:
    from django.core.cache import cache

    from jay_sessions import bounded_cache

    cache.set("bench", 0)
    cache.set(bounded_cache.name("bench"), 0)
    return (
        lambda: cache.incr("bench"),
        lambda: bounded_cache.ask(lambda one: one.incr(bounded_cache.name("bench"))),
    )


def compared(bare: Callable[[], object], bounded: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of a call, each the median of its rounds."""
    found: tuple[list[float], list[float]] = [], []
    for number in range(2 * ROUNDS):
        way = number % 2
        call = (bare, bounded)[way]
        begun = time.process_time()
        for _ in range(CALLS):
            call()
        found[way].append((time.process_time() - begun) / CALLS)
    return statistics.median(found[0]), statistics.median(found[1])


if __name__ == "__main__":
    main()
