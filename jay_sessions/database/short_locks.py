"""Changes of tables beside live traffic: no lock is waited for longer than others can wait behind it."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from django.db import DatabaseError, connections, transaction
from django.db.backends.utils import CursorWrapper

from ..exceptions import StoreBusy
from .errors import code_of, let_go_when_idle, reason

T = TypeVar("T")

TRIES = 20
"""How often a change is tried."""

PAUSE = 3.0
"""Seconds between two tries, in which those who have waited behind the lock get their turn."""

# Above PostgreSQL's `deadlock_timeout`, one second: then an autovacuum in the way ends itself. And below
# `DATABASE_TIMEOUT`: requests wait behind a lock that is waited for.
_LIMITS = {"lock_timeout": "1500ms", "statement_timeout": "0"}

_TO_TRY_AGAIN = {"55P03", "40P01", "55000", "42P01"}
"""PostgreSQL's codes for a lock that takes too long, a deadlock, and a table that another run has changed."""


def insistently(change: Callable[[], T]) -> T:
    """Call `change` until it gets its locks, `TRIES` times at most. It must begin with what is there.

    Raises StoreBusy. Other database errors pass through.
    """
    said = ""
    for _ in range(TRIES):
        try:
            return change()
        except DatabaseError as error:
            if code_of(error) not in _TO_TRY_AGAIN:
                raise
            said = reason(error)
        time.sleep(PAUSE)
    raise StoreBusy(
        f"A table could not be changed in {TRIES} tries: {said}. Find long transactions in pg_stat_activity "
        "(the oldest xact_start), and run the command again when they have ended."
    )


@contextlib.contextmanager
def one_change(alias: str) -> Iterator[CursorWrapper]:
    """Give a cursor in a transaction that waits for no lock for long, and is let go of when idle."""
    with transaction.atomic(alias), connections[alias].cursor() as cursor:
        for name, value in _LIMITS.items():
            cursor.execute(f"SET LOCAL {name} = '{value}'")
        let_go_when_idle(alias)
        yield cursor


def run_alone(alias: str, sql: str) -> None:
    """Run a statement that allows no transaction around it, and let it wait for no lock for long.

    The limits are those of the connection meanwhile, so no pooler may be in between.
    """
    with connections[alias].cursor() as cursor:
        for name, value in _LIMITS.items():
            cursor.execute(f"SET {name} = '{value}'")
        try:
            cursor.execute(sql)
        finally:
            with contextlib.suppress(DatabaseError):
                for name in _LIMITS:
                    cursor.execute(f"RESET {name}")
