"""Connections to the database that belong to the process and not to one of its threads.

Opened at the first use, hence after a fork of a server that preloads; a child never touches what its
parent had open.
"""

import asyncio
import os
import threading
import weakref
from collections.abc import Callable
from time import monotonic
from typing import Any, Generic, TypeVar

from django.db import InterfaceError, InternalError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .statements import plans

T = TypeVar("T")


class SharedConnection:
    """A connection whose users see to it that only one thread uses it at a time."""

    def __init__(self, alias: str) -> None:
        self._connection: BaseDatabaseWrapper = connections.create_connection(alias)
        self._connection.inc_thread_sharing()
        self._plans = plans(self._connection)
        _all.add(self)

    def run(self, use: Callable[[BaseDatabaseWrapper, bool], T]) -> T:
        """Return what `use` returns, which gets the connection and whether it is called again.

        That is so where a connection that had slept turns out to be lost: `use` may have been done by
        then or not. What the database raises otherwise passes through, and the next one who comes
        gets a new connection.
        """
        if self._is_old():
            self.close()
        had_slept = self._connection.connection is not None
        try:
            return use(self._connection, False)
        except (InterfaceError, InternalError, OperationalError):
            is_lost = had_slept and not self._connection.is_usable()
            self.close()
            if not is_lost:
                raise
        try:
            return use(self._connection, True)
        except (InterfaceError, InternalError, OperationalError):
            self.close()
            raise

    def planning(self) -> Any:
        """Return psycopg's connection, if it is open and plans statements ahead; else None.

        None as well where it is to be closed for its age.
        """
        return None if self._is_old() or not self._plans else self._connection.connection

    def close(self) -> None:
        """Close the connection; the next use opens another one."""
        # Django's own `close` of an SQLite in memory does nothing.
        BaseDatabaseWrapper.close(self._connection)

    def drop(self) -> None:
        """Close the connection for good, also in an event loop, where Django allows nothing."""
        if self._connection.connection is not None:
            self._connection.connection.close()

    def _is_old(self) -> bool:
        # `CONN_MAX_AGE` 0 means one connection a request, and this one is no request's.
        close_at = self._connection.close_at if self._connection.settings_dict["CONN_MAX_AGE"] else None
        return close_at is not None and monotonic() >= close_at


_all: weakref.WeakSet[SharedConnection] = weakref.WeakSet()


def close_all() -> None:
    """Close the shared connections of this process, as a test must before its database can be dropped.

    Whoever uses one next opens another.
    """
    for connection in list(_all):
        connection.close()


class PerProcess(Generic[T]):
    """What `make` makes for a database, once in each process."""

    def __init__(self, make: Callable[[str], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: dict[str, T] = {}
        self._of_parents: list[dict[str, T]] = []
        os.register_at_fork(after_in_child=self._begin_anew)

    def get(self, alias: str) -> T:
        """Return it for the database of that alias."""
        made = self._made.get(alias)
        if made is None:
            with self._lock:
                if alias not in self._made:
                    self._made[alias] = self._make(alias)
                made = self._made[alias]
        return made

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._made = {}

    def _begin_anew(self) -> None:
        # A thread of the parent may have held the lock. And what the parent made is kept, so that nobody
        # says goodbye to the server over a socket that the parent still uses.
        self._lock = threading.Lock()
        self._of_parents.append(self._made)
        self._made = {}


class PerLoop(Generic[T]):
    """What `make` makes, once in each event loop; `drop` is called for that of a loop that was closed."""

    def __init__(self, make: Callable[[], T], drop: Callable[[T], None]) -> None:
        self._make, self._drop = make, drop
        self._lock = threading.Lock()
        self._made: dict[asyncio.AbstractEventLoop, T] = {}

    def get(self) -> T:
        """Return it for the event loop that runs in this thread."""
        loop = asyncio.get_running_loop()
        made = self._made.get(loop)
        if made is None:
            with self._lock:
                for closed in [one for one in self._made if one.is_closed()]:
                    self._drop(self._made.pop(closed))
                made = self._made[loop] = self._make()
        return made
