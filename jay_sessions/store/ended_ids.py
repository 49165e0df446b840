"""The ended sessions in a process's memory, so that look-ups need no query: for `END_PROPAGATION` above 0.

Before its first answer, a process loads all ended sessions within `SESSION_LIFETIME`; older ones are not
valid anyway. After that it reads only new ends (`EndedSession`): its knowledge is never older than
`END_PROPAGATION`. A session takes eight bytes.

PostgreSQL's transaction ids show which ends are new. A clock or a sequence would miss the ends of a
transaction that begins earlier but commits later. The process loads everything again if another server
answers, or one that has crashed: its transaction ids may be lower than those that were read.

Expired sessions are dropped by the database's time, or by this host's if that is behind: a session must stay
known as long as this host's clock says that it is within its lifetime. If a clock goes back so far that
dropped sessions are needed again, the process also loads everything again.
"""

import bisect
import datetime
import logging
import threading
import time
import uuid
from array import array
from time import monotonic

from django.db import connections
from django.utils import timezone

from .. import conf
from ..database import keyset
from ..database.attempts import LONG, queue_timeout
from ..database.clock import MARGIN
from ..database.connections import PerProcess
from ..database.errors import close_if_old
from ..database.queries import ask
from ..exceptions import StoreUnavailable
from ..models import EndedSession
from ..models.ended import Mark

logger = logging.getLogger("jay_sessions")

_BATCH = 10_000
_MINUTE = 60_000
_RANDOM = (1 << 62) - 1
_NEVER = datetime.datetime.min.replace(tzinfo=datetime.UTC)


class EndedIds:
    """The ended sessions of one database that this process knows."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._refreshing = threading.Lock()
        self._by_minute: dict[int, array[int]] = {}
        self._own: set[uuid.UUID] = set()
        self._mark = Mark(0, "", _NEVER)
        self._known_from = 0.0
        self._known_at: float | None = None
        self._failures = 0

    def has(self, session_id: str) -> bool:
        """Say whether the session was ended; an end in the last `END_PROPAGATION` seconds may be missing.

        Raises StoreUnavailable.
        """
        propagation = conf.get().end_propagation
        if self._age(propagation) >= propagation / 2:
            self._refresh(propagation)
        return self.knows(session_id)

    def knows(self, session_id: str) -> bool:
        """Say whether the session is known as ended. Reads nothing, so the knowledge may be of any age."""
        # First the process's own ends: they are moved from here to the others.
        if self._own and uuid.UUID(session_id) in self._own:
            return True
        minute, number = _place(int(session_id.replace("-", ""), 16))
        known = self._by_minute.get(minute)
        if known is None:
            return False
        index = bisect.bisect_left(known, number)
        return index < len(known) and known[index] == number

    def is_due(self) -> bool:
        """Say whether `has` would now ask the database, or wait for another thread that asks."""
        propagation = conf.get().end_propagation
        age = self._age(propagation)
        return age >= propagation or (age >= propagation / 2 and not self._refreshing.locked())

    def add(self, session_id: uuid.UUID) -> None:
        """Add a session that this process has ended. Does not wait for a thread that reads ends."""
        self._own.add(session_id)
        if self._refreshing.acquire(blocking=False):
            try:
                self._take_in_own()
            finally:
                self._refreshing.release()

    def _age(self, propagation: float) -> float:
        """Return the age of the knowledge in seconds; if it is of no use, at least `propagation`."""
        known_at = self._known_at
        if known_at is None:
            return propagation
        age = monotonic() - known_at
        lacks_some = self._known_from > time.time() - _lifetime().total_seconds()
        return max(age, propagation) if lacks_some else age

    def _refresh(self, propagation: float) -> None:
        known_at, failures, age = self._known_at, self._failures, self._age(propagation)
        if age < propagation:
            # One thread reads early, so that the others need not wait.
            if self._refreshing.acquire(blocking=False):
                try:
                    self._read()
                except StoreUnavailable:
                    logger.warning(
                        "Ended sessions could not be looked up; the known ones are %.1f s old.", age
                    )
                finally:
                    self._refreshing.release()
            return
        if not self._refreshing.acquire(timeout=queue_timeout()):
            raise StoreUnavailable("The ended sessions are still being read.")
        try:
            if failures != self._failures:
                raise StoreUnavailable("The database is unavailable.")
            if known_at == self._known_at:
                self._read()
        finally:
            self._refreshing.release()

    def _read(self) -> None:
        try:
            self._ask()
        except StoreUnavailable:
            self._failures += 1
            raise
        # In a thread of the fast lane, Django does not do this.
        close_if_old(connections[self._alias])

    def _ask(self) -> None:
        # New ends are quick to read, but loading everything is slow. They come first, so that the slow query
        # uses a connection that has just answered.
        if not ask(self._alias, lambda again: self._catch_up()):
            ask(self._alias, lambda again: self._begin(), seconds=LONG)
        self._take_in_own()

    def _catch_up(self) -> bool:
        """Read the new ends; return False if they are not all that is unknown."""
        began = monotonic()
        ends = EndedSession.objects.using(self._alias)
        with ends.of_one_server():
            mark = ends.mark()
            oldest = _oldest(mark)
            if not self._is_of_use(mark, oldest):
                return False
            for session_id in ends.since(self._mark.number):
                self._remember(session_id)
        self._drop(oldest)
        self._mark, self._known_at = mark, began
        return True

    def _begin(self) -> None:
        """Load all ended sessions."""
        began = monotonic()
        ends = EndedSession.objects.using(self._alias)
        with ends.of_one_server():
            mark = ends.mark()
            self._load(_oldest(mark))
        self._mark, self._known_at = mark, began

    def _is_of_use(self, mark: Mark, oldest: datetime.datetime) -> bool:
        """Say whether the new ends are all that is unknown."""
        return (
            self._known_at is not None
            and mark.server == self._mark.server
            and mark.number >= self._mark.number
            and self._known_from <= (oldest + MARGIN / 2).timestamp()
        )

    def _load(self, oldest: datetime.datetime) -> None:
        rows = EndedSession.objects.using(self._alias).started_from(oldest)
        ids = rows.order_by("session_id").values_list("session_id", flat=True)
        by_minute: dict[int, array[int]] = {}
        # Without a server-side cursor, because a pooler would lose it.
        for batch in keyset.batches(ids, "session_id", _BATCH):
            for session_id in batch:
                minute, number = _place(session_id.int)
                by_minute.setdefault(minute, array("Q")).append(number)
        self._by_minute = {minute: array("Q", sorted(numbers)) for minute, numbers in by_minute.items()}
        self._known_from = oldest.timestamp()

    def _remember(self, session_id: uuid.UUID) -> None:
        minute, number = _place(session_id.int)
        known = self._by_minute.get(minute, array("Q"))
        index = bisect.bisect_left(known, number)
        if index == len(known) or known[index] != number:
            # A new array, because other threads may be reading the old one.
            self._by_minute[minute] = known[:index] + array("Q", [number]) + known[index:]

    def _take_in_own(self) -> None:
        for session_id in self._own.copy():
            self._remember(session_id)
            self._own.discard(session_id)

    def _drop(self, oldest: datetime.datetime) -> None:
        first = int(oldest.timestamp() * 1000) // _MINUTE
        self._by_minute = {minute: known for minute, known in self._by_minute.items() if minute >= first}
        self._known_from = max(self._known_from, oldest.timestamp())


def _oldest(mark: Mark) -> datetime.datetime:
    return min(mark.now, timezone.now()) - _lifetime() - MARGIN


def _lifetime() -> datetime.timedelta:
    return conf.get().session_lifetime or datetime.timedelta()


def _place(session_id: int) -> tuple[int, int]:
    # The minute of the start, and the random bits: they are different for every session.
    return (session_id >> 80) // _MINUTE, session_id & _RANDOM


_processes = PerProcess(EndedIds)


def forget() -> None:
    """Forget everything; the next look-up loads it again."""
    _processes.forget()


def of_this_process(alias: str) -> EndedIds:
    """Return this process's `EndedIds` for the database with this alias."""
    return _processes.get(alias)
