"""The ended sessions that a process knows, so that it need not ask for each: for `END_PROPAGATION` above 0.

Before its first answer a process loads every ended session that is within `SESSION_LIFETIME`; older
ones are not valid anyway. From then on it reads the notes that ends leave behind (`EndedSession`): what
it knows is never older than `END_PROPAGATION`. A session takes eight bytes.

Which notes are new is told by PostgreSQL's transaction ids, and not by a clock or a sequence: those of
transactions that commit later, but began earlier, would be missed.
"""

import bisect
import datetime
import logging
import threading
import uuid
from array import array
from time import monotonic

from django.db import connections
from django.utils import timezone

from . import conf
from .exceptions import StoreUnavailable
from .models import EndedSession, TrackingSession
from .querysets import KEPT
from .shared import PerProcess
from .store import available, close_if_old

logger = logging.getLogger("jay_sessions")

_MINUTE = 60_000
_SLACK = datetime.timedelta(hours=1)
"""What is past its lifetime is kept so much longer, should the clock be set back."""

_RANDOM = (1 << 62) - 1


class EndedIds:
    """The ended sessions of one database, as far as this process knows."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._refreshing = threading.Lock()
        self._by_minute: dict[int, array[int]] = {}
        self._mark = 0
        self._known_at: float | None = None
        self._failures = 0

    def has(self, session_id: str) -> bool:
        """Say whether the session was ended, up to `END_PROPAGATION` ago. Raises StoreUnavailable."""
        propagation, known_at = conf.get().end_propagation, self._known_at
        if known_at is None or monotonic() - known_at >= propagation / 2:
            self._refresh(propagation)
        return self.knows(session_id)

    def knows(self, session_id: str) -> bool:
        """Say whether the session is among those known to be ended, however old that is."""
        minute, number = _place(int(session_id.replace("-", ""), 16))
        known = self._by_minute.get(minute)
        if known is None:
            return False
        index = bisect.bisect_left(known, number)
        return index < len(known) and known[index] == number

    def is_due(self) -> bool:
        """Say whether `has` would ask the database now, or wait for somebody who does."""
        propagation, known_at = conf.get().end_propagation, self._known_at
        age = propagation if known_at is None else monotonic() - known_at
        return age >= propagation or (age >= propagation / 2 and not self._refreshing.locked())

    def add(self, session_id: uuid.UUID) -> None:
        """Remember a session that this process has ended."""
        with self._refreshing:
            self._remember(session_id)

    def _refresh(self, propagation: float) -> None:
        known_at, failures = self._known_at, self._failures
        age = propagation if known_at is None else monotonic() - known_at
        if age < propagation:
            # Early, so that one thread asks and the others need not wait for it.
            if self._refreshing.acquire(blocking=False):
                try:
                    self._read()
                except StoreUnavailable:
                    logger.warning("Ended sessions were not looked up; what is known is %.1f s old.", age)
                finally:
                    self._refreshing.release()
            return
        with self._refreshing:
            if failures != self._failures:
                raise StoreUnavailable("The database is unavailable.")
            if known_at == self._known_at:
                self._read()

    def _read(self) -> None:
        try:
            self._ask()
        except StoreUnavailable:
            self._failures += 1
            raise
        self._drop_expired()
        # The thread may be one of the fast lane's, for which nobody else would do it.
        close_if_old(connections[self._alias])

    def _ask(self) -> None:
        began = monotonic()
        with available():
            notes = EndedSession.objects.using(self._alias)
            mark = notes.mark()
            # A mark that went back is that of another server.
            if (
                self._known_at is None
                or began - self._known_at > KEPT.total_seconds() / 2
                or mark < self._mark
            ):
                self._load()
            else:
                for session_id in notes.since(self._mark):
                    self._remember(session_id)
        self._mark, self._known_at = mark, began

    def _load(self) -> None:
        rows = TrackingSession.objects.using(self._alias).ended().started_from(_oldest())
        by_minute: dict[int, array[int]] = {}
        for session_id in rows.order_by().values_list("session_id", flat=True).iterator(10_000):
            minute, number = _place(session_id.int)
            by_minute.setdefault(minute, array("Q")).append(number)
        self._by_minute = {minute: array("Q", sorted(numbers)) for minute, numbers in by_minute.items()}

    def _remember(self, session_id: uuid.UUID) -> None:
        minute, number = _place(session_id.int)
        known = self._by_minute.get(minute, array("Q"))
        index = bisect.bisect_left(known, number)
        if index == len(known) or known[index] != number:
            # A new one: others look into the old one meanwhile.
            self._by_minute[minute] = known[:index] + array("Q", [number]) + known[index:]

    def _drop_expired(self) -> None:
        oldest = int(_oldest().timestamp() * 1000) // _MINUTE
        self._by_minute = {minute: known for minute, known in self._by_minute.items() if minute >= oldest}


def _oldest() -> datetime.datetime:
    lifetime = conf.get().session_lifetime or datetime.timedelta()
    return timezone.now() - lifetime - _SLACK


def _place(session_id: int) -> tuple[int, int]:
    # The minute of the start, and the random bits, which no two sessions share.
    return (session_id >> 80) // _MINUTE, session_id & _RANDOM


_processes = PerProcess(EndedIds)


def forget() -> None:
    """Forget all; the next question loads it anew."""
    _processes.forget()


def of_this_process(alias: str) -> EndedIds:
    """Return what this process knows of the database of that alias."""
    return _processes.get(alias)
