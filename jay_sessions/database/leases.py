"""Connections that the threads of requests borrow.

Under ASGI, Django gives each request its own thread with its own connections: one new connection for each
request at the same time. Instead, a thread borrows a connection for each query. Under WSGI, the tracking
endpoints do the same with the recorder `group`: their threads need no connection otherwise. A process has at
most `MAX_CONNECTIONS`, including those that it uses for other purposes.
"""

import contextlib
import contextvars
import enum
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.db import connections

from .. import conf
from ..exceptions import StoreUnavailable
from .connections import PerProcess, SharedConnection, is_grouped

SHARED = 5
"""Further connections with the recorder `group`: for starts, ends and look-ups; two are an event loop's."""

UNKNOWN_KEYS = ANALYTICS = 2
"""Connections for look-ups of unknown keys; and the most of the others that long queries may use."""

QUEUE = 200
"""The most threads that wait for a connection for one purpose; further threads are refused at once."""


class Purpose(enum.Enum):
    """The reason to borrow a connection: long queries and made-up keys must not take all of them."""

    REQUEST = "request"
    ANALYTICS = "analytics"
    UNKNOWN_KEY = "unknown key"


_is_wanted: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "jay_sessions.database.leases", default=False
)


@contextlib.contextmanager
def wanted() -> Iterator[None]:
    """Let this thread, and threads that get its context, borrow connections in the block."""
    token = _is_wanted.set(True)
    try:
        yield
    finally:
        _is_wanted.reset(token)


def leased(alias: str, purpose: Purpose) -> contextlib.AbstractContextManager[None]:
    """Make `connections[alias]` a borrowed connection in the block, if `wanted` is in effect.

    If the thread's own connection is open, as in a transaction of the caller, it is used instead. Raises
    StoreUnavailable if none is free within `DATABASE_TIMEOUT`.
    """
    if not _is_wanted.get():
        return _NO_LEASE
    own = connections[alias]
    if own.connection is not None or own.vendor != "postgresql":
        return _NO_LEASE
    return _lease(alias, purpose)


_NO_LEASE = contextlib.nullcontext()


@contextlib.contextmanager
def _lease(alias: str, purpose: Purpose) -> Iterator[None]:
    own, places = connections[alias], _places.get(alias)
    with places.taken(purpose), places.borrowed() as borrowed:
        connections[alias] = borrowed.wrapper
        try:
            yield
        finally:
            connections[alias] = own


class _Places:
    """The connections of a process, and how many of them each purpose may use."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        shared = SHARED if is_grouped(alias) else 0
        others = conf.get().max_connections - shared - UNKNOWN_KEYS
        self._requests = threading.BoundedSemaphore(others)
        self._analytics = threading.BoundedSemaphore(min(ANALYTICS, others - 1))
        self._unknown = threading.BoundedSemaphore(UNKNOWN_KEYS)
        self._waiting: Counter[threading.BoundedSemaphore] = Counter()
        # The last one returned is used next, so that the others reach their age limit.
        self._free: list[SharedConnection] = []

    @contextlib.contextmanager
    def taken(self, purpose: Purpose) -> Iterator[None]:
        with contextlib.ExitStack() as places:
            if purpose is Purpose.UNKNOWN_KEY:
                places.enter_context(self._place(self._unknown))
            else:
                if purpose is Purpose.ANALYTICS:
                    places.enter_context(self._place(self._analytics))
                places.enter_context(self._place(self._requests))
            yield

    @contextlib.contextmanager
    def _place(self, places: threading.BoundedSemaphore) -> Iterator[None]:
        if not places.acquire(blocking=False):
            self._wait(places)
        try:
            yield
        finally:
            places.release()

    def _wait(self, places: threading.BoundedSemaphore) -> None:
        is_full = self._waiting[places] >= QUEUE
        self._waiting[places] += 1
        try:
            if is_full or not places.acquire(timeout=conf.get().database_timeout):
                raise StoreUnavailable("No connection to the database is free.")
        finally:
            self._waiting[places] -= 1

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[SharedConnection]:
        try:
            connection = self._free.pop()
        except IndexError:
            connection = SharedConnection(self._alias)
        try:
            yield connection
        finally:
            connection.close_if_old()
            self._free.append(connection)


_places = PerProcess(_Places)


def forget() -> None:
    """Forget all connections and loans."""
    _places.forget()


def close_of_thread(sender: Any, **kwargs: Any) -> None:
    """Close this thread's connections at the end of a request under ASGI, because the thread ends, too.

    Receives `request_finished`. With a `CONN_MAX_AGE`, Django leaves them open, but no thread could use them.
    """
    if isinstance(sender, type) and issubclass(sender, ASGIHandler):
        for connection in connections.all(initialized_only=True):
            if not connection.in_atomic_block:
                connection.close()
