"""Time limits for waits on a silent PostgreSQL.

A silent server's connection stays open without an answer, and its kernel may still acknowledge packets: then
neither keepalives nor `tcp_user_timeout` end the wait. So one thread of the process watches the connections
in use, and breaks off those that take too long: the waiting code sees a lost connection. Other databases
never wait without end.
"""

import contextlib
import os
import socket
import threading
import weakref
from collections.abc import Iterator
from time import monotonic, sleep
from types import TracebackType
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from . import suspects

TICK = 0.1
"""Seconds between two looks at the waits. A wait may last this much longer than its limit."""


class Deadline:
    """A time limit for the block, as a context manager; afterwards, `is_past` says whether it was exceeded.

    There is no limit with `seconds=None` or a database other than PostgreSQL. `connection` must be
    `connections[alias]`: Django's proxy `connection` is a different one in the thread that watches it.
    """

    __slots__ = ("_connection", "_due", "_seconds", "is_past")

    def __init__(self, connection: BaseDatabaseWrapper, seconds: float | None) -> None:
        self._connection = connection
        self._seconds = seconds if connection.vendor == "postgresql" else None
        self._due = 0.0
        self.is_past = False

    def __enter__(self) -> "Deadline":
        if self._seconds is not None:
            self._due = monotonic() + self._seconds
            _watch.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._seconds is not None:
            _watch.remove(self)

    def is_due(self, now: float) -> bool:
        """Say whether the time is over at `now`, a time of `time.monotonic`."""
        return now >= self._due

    def begin_anew(self) -> None:
        """Start the time limit again from now."""
        if self._seconds is not None:
            self._due = monotonic() + self._seconds

    def break_off(self) -> None:
        """End the wait, if there is a connection by now. Only the watching thread calls it.

        Nothing happens while nobody waits for the connection. The next wait for it is then a short one.
        """
        wire = self._connection.connection
        if wire is None and suspects.is_pooled(self._connection):
            # The thread waits for a busy pool, not for a silent database.
            return
        if wire is not None and not _is_waited_for(wire):
            return
        self.is_past = True
        if wire is not None:
            shut_down(wire)


def _is_waited_for(wire: Any) -> bool:
    # Does not ask the server. Psycopg 2 has the same attributes.
    return bool(wire.info.transaction_status == _ACTIVE)


_ACTIVE = 1
"""libpq's PQTRANS_ACTIVE: a statement was sent, and its answer is not complete."""


def shut_down(wire: Any) -> None:
    """Make the driver's connection look lost to the code that waits for it. Any thread may call it."""
    # Only shut down, not closed: libpq would go on using the socket's number, which may then belong to
    # another socket. If the connection is closed already, the driver raises exceptions of its own.
    with contextlib.suppress(Exception), socket.socket(fileno=os.dup(wire.fileno())) as ours:
        ours.shutdown(socket.SHUT_RDWR)


class _Watch:
    """The waits of this process, and the thread that watches them. It starts with the first wait."""

    def __init__(self) -> None:
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._waits: dict[int, Deadline] = {}
        self._is_needed = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, wait: Deadline) -> None:
        self._waits[id(wait)] = wait
        if not self._is_needed.is_set():
            self._is_needed.set()
        if self._thread is None:
            self._start()

    def remove(self, wait: Deadline) -> None:
        # With the lock: after this, the watching thread must not touch the connection.
        with self._lock:
            del self._waits[id(wait)]

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._look_after, name="jay_sessions.database.deadlines", daemon=True
                )
                self._thread.start()

    def _look_after(self) -> None:
        while True:
            self._is_needed.clear()
            if not self._waits:
                self._is_needed.wait()
            sleep(TICK)
            now = monotonic()
            for key, wait in list(self._waits.items()):
                if wait.is_due(now):
                    with self._lock:
                        if key in self._waits:
                            wait.break_off()


_watch = _Watch()


_LOOK_AFTER_CLIENT = """
SELECT set_config('client_connection_check_interval', '1000', false)
WHERE current_setting('client_connection_check_interval', true) = '0'
"""
"""In milliseconds. PostgreSQL has the setting since version 14; some systems cannot support it."""

_told: weakref.WeakSet[Any] = weakref.WeakSet()


def _tell_server(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Let the server end statements of a connection that was broken off, unless the site has set this itself.

    Otherwise such a statement goes on waiting for its lock, and takes one of `max_connections`.
    """
    wire = connection.connection
    # A pool hands out the same connection repeatedly.
    if connection.vendor != "postgresql" or not connection.autocommit or wire in _told:
        return
    _told.add(wire)
    driver = connection.Database  # type: ignore[attr-defined]
    with contextlib.suppress(driver.DataError), wire.cursor() as cursor:
        cursor.execute(_LOOK_AFTER_CLIENT)


connection_created.connect(_tell_server, dispatch_uid="jay_sessions.database.deadlines")


@contextlib.contextmanager
def connecting(connection: BaseDatabaseWrapper, seconds: float | None) -> Iterator[None]:
    """Give a connection to PostgreSQL that is opened in the block `seconds` for that.

    A shorter `connect_timeout` in the settings stays. With psycopg's pool, the pool's own time limit holds.
    """
    given = connection.settings_dict
    options = given["OPTIONS"]
    if connection.vendor == "postgresql" and seconds is not None and not suspects.is_pooled(connection):
        # libpq takes whole seconds, and treats 1 as 2.
        timeout = max(2, round(seconds))
        asked = options.get("connect_timeout")
        if not asked or int(asked) > timeout:
            # All threads share the dictionary, so this one uses a copy meanwhile.
            connection.settings_dict = {**given, "OPTIONS": {**options, "connect_timeout": timeout}}
    try:
        yield
    finally:
        connection.settings_dict = given


def connect(connection: BaseDatabaseWrapper, seconds: float | None) -> None:
    """Open the connection if it is not open, in the time that `connecting` gives it.

    Database errors pass through.
    """
    if connection.connection is None:
        with connecting(connection, seconds):
            connection.ensure_connection()
