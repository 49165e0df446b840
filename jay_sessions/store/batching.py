"""Batches the work of several threads: one of them does it for all.

If no batch is running, a thread does its own item at once, without waiting for others. Otherwise it joins
the queue. When the batch is done, the first thread of the queue does the work of all that wait.
"""

import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class NotDone(Exception):
    """The work was not done, or not in time."""


_PENDING = NotDone("Not yet.")


class _Entry(Generic[Item, Result]):
    __slots__ = ("item", "leads", "outcome", "turn")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.leads = False
        self.outcome: Result | Exception = _PENDING
        self.turn: threading.Lock | None = None


class Batcher(Generic[Item, Result]):
    """Calls `work` with the items of up to `max_batch` threads, never twice at the same time.

    `work` returns one outcome per item, in the same order. An outcome that is an exception is raised only in
    the thread of its item. At most `max_queue` threads wait, each for at most `timeout` seconds.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], Sequence[Result | Exception]],
        *,
        max_batch: int,
        max_queue: int = 1000,
        timeout: float = 30.0,
    ) -> None:
        self._work, self._max_batch, self._max_queue, self._timeout = work, max_batch, max_queue, timeout
        self._lock = threading.Lock()
        self._queue: list[_Entry[Item, Result]] = []
        self._is_busy = False
        self._begun_at: float | None = None

    def busy_for(self) -> float:
        """Return the seconds since the current call of `work` began; 0 if there is none."""
        begun_at = self._begun_at
        return 0.0 if begun_at is None else monotonic() - begun_at

    def do(self, item: Item) -> Result:
        """Return the outcome of `work` for the item, or raise it if it is an exception.

        Raises NotDone if too many threads wait, or if the outcome does not come in time. After a time-out,
        `work` may have the item already.
        """
        entry: _Entry[Item, Result] = _Entry(item)
        with self._lock:
            if len(self._queue) >= self._max_queue:
                raise NotDone("Too many are waiting.")
            self._queue.append(entry)
            if self._is_busy:
                entry.turn = threading.Lock()
                entry.turn.acquire()
            else:
                self._is_busy = entry.leads = True
        if entry.turn is not None and not entry.turn.acquire(timeout=self._timeout):
            self._give_up(entry)
        if entry.leads:
            self._lead()
        if isinstance(entry.outcome, Exception):
            raise entry.outcome
        return entry.outcome

    def _give_up(self, entry: _Entry[Item, Result]) -> None:
        with self._lock:
            if entry.leads or entry.outcome is not _PENDING:
                return
            if entry in self._queue:
                self._queue.remove(entry)
        raise NotDone("No result came in time.")

    def _lead(self) -> None:
        # The leading thread is the first of the queue, so its item is in the batch.
        with self._lock:
            taken, self._queue = self._queue[: self._max_batch], self._queue[self._max_batch :]
        outcomes: Sequence[Result | Exception] = []
        self._begun_at = monotonic()
        try:
            outcomes = self._work([entry.item for entry in taken])
        except Exception as error:  # noqa: BLE001 (the callers that wait get it)
            outcomes = [error] * len(taken)
        finally:
            self._begun_at = None
            # First the next leader: it can begin while the threads of this batch wake up.
            self._hand_over()
            outcomes = outcomes or [NotDone("Broken off.")] * len(taken)
            for entry, outcome in zip(taken, outcomes, strict=True):
                entry.outcome = outcome
                if entry.turn is not None and not entry.leads:
                    entry.turn.release()

    def _hand_over(self) -> None:
        with self._lock:
            if not self._queue:
                self._is_busy = False
                return
            following = self._queue[0]
            following.leads = True
        if following.turn is not None:
            following.turn.release()
