"""What threads want done at the same time, done for all of them by one of them.

Whoever comes while nobody is at it does it at once, so that nobody waits for company. Whoever comes
meanwhile queues; when the work is done, the first of the queue takes all that queue with it.
"""

import threading
from collections.abc import Callable
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
    """Calls `work` with the items of up to `most` threads, never twice at the same time.

    `work` returns an outcome for each item, in their order; an exception among them is raised for its
    own item alone. At most `queue` threads wait, each for at most `patience` seconds.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], list[Result | Exception]],
        *,
        most: int,
        queue: int = 1000,
        patience: float = 30.0,
    ) -> None:
        self._work, self._most, self._room, self._patience = work, most, queue, patience
        self._lock = threading.Lock()
        self._queue: list[_Entry[Item, Result]] = []
        self._is_busy = False

    def do(self, item: Item) -> Result:
        """Return what `work` has for the item, and raise what it has instead.

        Raises NotDone where too many wait, or where the turn does not come in time; the item may
        have been taken up all the same.
        """
        entry: _Entry[Item, Result] = _Entry(item)
        with self._lock:
            if len(self._queue) >= self._room:
                raise NotDone("Too many are waiting.")
            self._queue.append(entry)
            if self._is_busy:
                entry.turn = threading.Lock()
                entry.turn.acquire()
            else:
                self._is_busy = entry.leads = True
        if entry.turn is not None and not entry.turn.acquire(timeout=self._patience):
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
        raise NotDone("Waited in vain.")

    def _lead(self) -> None:
        # Who leads is the first of the queue, and so among those that are taken.
        with self._lock:
            taken, self._queue = self._queue[: self._most], self._queue[self._most :]
        outcomes: list[Result | Exception] = []
        try:
            outcomes = self._work([entry.item for entry in taken])
        except Exception as error:  # noqa: BLE001 (whoever waits must hear of it)
            outcomes = [error] * len(taken)
        finally:
            # The next one first: its work can begin while these are still being woken up.
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
