"""How this app asks the database in a thread: with limits for time, connections and waiting threads."""

from collections.abc import Callable
from typing import TypeVar

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .attempts import attempt, once
from .errors import translating_errors
from .leases import Purpose, leased

T = TypeVar("T")


def ask(
    alias: str,
    use: Callable[[bool], T],
    *,
    seconds: float | None = None,
    purpose: Purpose = Purpose.REQUEST,
    replica: str | None = None,
) -> T:
    """Call `use`, which asks the database over `connections[alias]`, and return its result.

    `seconds` (`DATABASE_TIMEOUT` by default) and the argument of `use` are as in `attempts.attempt`: `use`
    may be called twice. `purpose` limits the connections that requests borrow. `replica` is the alias of
    another database that `use` reads, over the thread's own connection.

    Raises StoreUnavailable and StoreNotMigrated.
    """
    with translating_errors(), leased(alias, purpose):
        return attempt(connections[alias], use, seconds=seconds, replica=_connection(replica))


def ask_once(
    alias: str, use: Callable[[], T], *, seconds: float | None = None, replica: str | None = None
) -> T:
    """As `ask`, but `use` is called only once, over the thread's own connection.

    `seconds` are for each of its statements.
    """
    with translating_errors():
        return once(connections[alias], use, seconds=seconds, replica=_connection(replica))


def _connection(alias: str | None) -> BaseDatabaseWrapper | None:
    return None if alias is None else connections[alias]
