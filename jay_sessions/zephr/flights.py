"""Work that several threads want at the same time is done once ("single flight")."""

import dataclasses
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Landing(Generic[T]):
    """The result of the work.

    `joined`: another thread did it. `shared`: more than one thread has this very object.
    """

    value: T
    joined: bool
    shared: bool


class _Flight(Generic[T]):
    def __init__(self) -> None:
        self.ended = threading.Event()
        self.others = 0
        # A list: empty until there is a value, and any value may be the result, None too.
        self.values: list[T] = []


class Flights(Generic[T]):
    """The flights under way in this process, by key; a flight is removed when it ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[str, _Flight[T]] = {}

    def share(self, key: str, work: Callable[[], T], deadline: float) -> Landing[T]:
        """Do the work, or wait for a thread that already does it for the same key.

        Raises TimeoutError if `deadline` (of `time.monotonic`) passes while waiting. The thread that does
        the work raises what `work` raises; then one of the waiting threads does the work, and the others
        wait for that one.
        """
        while True:
            flight, leads = self._board(key)
            if leads:
                return self._lead(key, flight, work)
            if not flight.ended.wait(max(deadline - time.monotonic(), 0.0)):
                raise TimeoutError
            if flight.values:
                return Landing(flight.values[0], joined=True, shared=True)

    def _board(self, key: str) -> tuple[_Flight[T], bool]:
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                flight.others += 1
                return flight, False
            flight = self._flights[key] = _Flight()
            return flight, True

    def _lead(self, key: str, flight: _Flight[T], work: Callable[[], T]) -> Landing[T]:
        try:
            value = work()
            flight.values.append(value)
        finally:
            with self._lock:
                del self._flights[key]
            flight.ended.set()
        # No thread can join any more, so the count is final.
        return Landing(value, joined=False, shared=flight.others > 0)
