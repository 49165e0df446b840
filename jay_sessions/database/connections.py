"""Connections to the database that belong to the process and not to one of its threads.

They are opened at the first use, so after the fork of a server that preloads. A child process never uses
its parent's connections.
"""

import asyncio
import functools
import os
import sys
import threading
import weakref
from collections.abc import Callable
from time import monotonic
from typing import Any, Generic, TypeVar

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend

from .. import conf
from . import attempts, suspects
from .prepared import is_known_to_plan

T = TypeVar("T")


def is_grouped(alias: str) -> bool:
    """Say whether simultaneous requests share commits and look-ups. Then tasks can await them.

    True if `RECORDER` is `group`, unless the database is an in-memory SQLite that only one connection sees:
    a second connection would have an empty database. Without a `RECORDER`, true on PostgreSQL with psycopg 3,
    except in Django's tests: connections that stay open would prevent a test database from being dropped.
    """
    recorder, database = conf.get().recorder, connections.settings[alias]
    if recorder is None:
        return has_psycopg_3(database["ENGINE"]) and not _is_in_a_test()
    return recorder == "group" and not _is_of_one_connection(str(database["NAME"]))


@functools.cache
def has_psycopg_3(engine: str) -> bool:
    """Say whether an `ENGINE` of `DATABASES` uses PostgreSQL through psycopg 3."""
    if load_backend(engine).DatabaseWrapper.vendor != "postgresql":
        return False
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    return is_psycopg3


def _is_in_a_test() -> bool:
    # Django has no public sign of it: `mail.outbox` is also there in a site that keeps its e-mails in memory.
    # Without Django's test environment, nothing imports the module.
    state = getattr(sys.modules.get("django.test.utils"), "_TestState", None)
    return hasattr(state, "saved_data")


def _is_of_one_connection(name: str) -> bool:
    return (name == ":memory:" or "mode=memory" in name) and "cache=shared" not in name


class SharedConnection:
    """A connection for any thread. Its users make sure that only one thread at a time uses it."""

    def __init__(self, alias: str) -> None:
        self._connection = _made(alias)
        self._connection.inc_thread_sharing()
        _all.add(self)

    def run(self, use: Callable[[BaseDatabaseWrapper, bool], T]) -> T:
        """Call `use(connection, again)` as `attempts.attempt` describes, and return its result.

        Database errors pass through; after one, the next caller gets a new connection.
        """
        if self._is_old():
            self.close()
        try:
            return attempts.attempt(self._connection, lambda again: use(self._connection, again))
        except attempts.FAILURES:
            self.close()
            raise

    def prepared_connection(self) -> Any:
        """Return psycopg's connection if it is open and prepares statements, else None.

        It is also None if the connection is too old or doubted, and must be closed.
        """
        is_open = self._connection.connection is not None and not self._is_old()
        is_open = is_open and not suspects.is_doubted(self._connection)
        return self._connection.connection if is_open and is_known_to_plan(self._connection) else None

    @property
    def wrapper(self) -> BaseDatabaseWrapper:
        """Django's connection. Only one thread at a time may use it."""
        return self._connection

    def close_if_old(self) -> None:
        """Close the connection if it is past its age."""
        if self._is_old():
            self.close()

    def doubt(self) -> None:
        """Doubt all connections to this database that are open now (see `suspects.doubt`)."""
        suspects.doubt(self._connection)

    def close(self) -> None:
        """Close the connection; the next use opens a new one."""
        # Django's own `close` does nothing for an SQLite in memory.
        BaseDatabaseWrapper.close(self._connection)

    def drop(self) -> None:
        """Close the driver's connection for good, also in an event loop, where Django forbids `close`."""
        if self._connection.connection is not None:
            self._connection.connection.close()

    def _is_old(self) -> bool:
        close_at = self._connection.close_at
        return close_at is not None and monotonic() >= close_at


def _made(alias: str) -> BaseDatabaseWrapper:
    settings = connections.settings[alias]
    # It is kept open: a connection from psycopg's pool would never go back, and the pool would run empty.
    options = {name: value for name, value in settings["OPTIONS"].items() if name != "pool"}
    # 0 means one connection per request, but this connection belongs to no request.
    lasting = {**settings, "OPTIONS": options, "CONN_MAX_AGE": settings["CONN_MAX_AGE"] or None}
    wrapper: BaseDatabaseWrapper = load_backend(settings["ENGINE"]).DatabaseWrapper(lasting, alias)
    return wrapper


_all: weakref.WeakSet[SharedConnection] = weakref.WeakSet()
# A child that closed the connections of its parent would say goodbye to the server over their sockets.
os.register_at_fork(after_in_child=_all.clear)


def close_all() -> None:
    """Close the shared connections of this process. A test must do so before its database is dropped.

    The next use of each opens it again.
    """
    for connection in list(_all):
        connection.close()


class PerProcess(Generic[T]):
    """One value per database and process: `make` makes it from the database's alias."""

    def __init__(self, make: Callable[[str], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: dict[str, T] = {}
        self._of_parents: list[dict[str, T]] = []
        os.register_at_fork(after_in_child=self._begin_anew)

    def get(self, alias: str) -> T:
        """Return the value for the database with this alias."""
        made = self._made.get(alias)
        if made is None:
            with self._lock:
                if alias not in self._made:
                    self._made[alias] = self._make(alias)
                made = self._made[alias]
        return made

    def made(self) -> list[T]:
        """Return all values that this process has made."""
        return list(self._made.values())

    def forget(self) -> None:
        """Forget all values; `get` makes new ones."""
        with self._lock:
            self._made = {}

    def _begin_anew(self) -> None:
        # A thread of the parent may have held the lock. The parent's values are kept: if they were freed,
        # the driver would say goodbye to the server over a socket that the parent still uses.
        self._lock = threading.Lock()
        self._of_parents.append(self._made)
        self._made = {}


class PerLoop(Generic[T]):
    """One value of `make` per event loop; `drop` is called with the value of a loop that was closed."""

    def __init__(self, make: Callable[[], T], drop: Callable[[T], None]) -> None:
        self._make, self._drop = make, drop
        self._lock = threading.Lock()
        self._made: dict[asyncio.AbstractEventLoop, T] = {}

    def get(self) -> T:
        """Return the value for the event loop that runs in this thread."""
        loop = asyncio.get_running_loop()
        made = self._made.get(loop)
        if made is None:
            with self._lock:
                for closed in [other for other in self._made if other.is_closed()]:
                    self._drop(self._made.pop(closed))
                made = self._made[loop] = self._make()
        return made

    def made(self) -> list[T]:
        """Return the values of all loops that are not closed. Any thread may call it."""
        return [value for loop, value in list(self._made.items()) if not loop.is_closed()]
