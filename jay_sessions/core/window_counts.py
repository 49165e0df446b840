"""Counts requests in this process's memory, in time windows of a fixed length."""

import threading

from .rates import Rate

MAX_COUNTS = 50_000
"""The most keys or addresses with a count of their own in a window; all others share one count."""

_FURTHER = ""


class WindowCounts:
    """The counts of the current window, for each kind of caller and rate; older windows are forgotten.

    A new count never replaces another one. `max_counts` limits the memory: a count takes about 150 bytes.
    """

    def __init__(self, max_counts: int = MAX_COUNTS) -> None:
        self._max_counts = max_counts
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, Rate], tuple[int, dict[str, int]]] = {}

    def increment(self, kind: str, client: str, rate: Rate, window: int) -> int:
        """Count a request of `client` in the window with this number; return the count so far."""
        with self._lock:
            number, counts = self._windows.get((kind, rate), (window, {}))
            if number != window:
                # It may also be an earlier window, if the clock went back: then it starts again from 0.
                counts = {}
            self._windows[kind, rate] = window, counts
            if client not in counts and len(counts) >= self._max_counts:
                client = _FURTHER
            count = counts[client] = counts.get(client, 0) + 1
        return count

    def forget(self) -> None:
        """Forget all counts. Also safe after a fork, where a thread of the parent may have held the lock."""
        self._lock = threading.Lock()
        self._windows = {}
