"""A limit on threads that wait for the same thing, so that they do not take all threads of a process."""

import collections
import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator

TIMEOUT = 0.25
"""Seconds that a thread waits for a place."""

SLOW = 1.0
"""If threads hold their places for longer than this many seconds, waiting for one is useless."""


class NoPlace(Exception):
    """All places are taken."""


class Places:
    """A fixed number of places; threads may share them, processes may not.

    If all places are taken, a thread waits up to `TIMEOUT` for one. It does not wait if that is useless: if
    all holders have held their places for over `SLOW`, or the last one to leave did. `clock` gives seconds
    that only grow.
    """

    def __init__(self, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._changed = threading.Condition(threading.Lock())
        # Oldest first.
        self._since: collections.OrderedDict[int, float] = collections.OrderedDict()
        self._numbers = itertools.count()
        self._last_was_slow = False

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Hold a place for the duration of the block. Raises NoPlace."""
        number = self._take()
        try:
            yield
        finally:
            self._give_back(number)

    def _take(self) -> int:
        with self._changed:
            if not self._changed.wait_for(self._has_room, 0 if self._is_slow() else TIMEOUT):
                raise NoPlace
            number = next(self._numbers)
            self._since[number] = self._clock()
            return number

    def _give_back(self, number: int) -> None:
        with self._changed:
            self._last_was_slow = self._clock() - self._since.pop(number) > SLOW
            self._changed.notify()

    def _has_room(self) -> bool:
        return len(self._since) < self._limit

    def _is_slow(self) -> bool:
        youngest = next(reversed(self._since.values()), None)
        return self._last_was_slow or (youngest is not None and self._clock() - youngest > SLOW)
