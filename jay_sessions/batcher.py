"""What threads and tasks want done at the same time, done for all of them by one thread.

Whoever comes while nobody is at it has it done at once, so that nobody waits for company. Whoever comes
meanwhile queues; when the work is done, the first of the queue takes all that queue with it. For a task,
whose event loop must not be held up, a thread of the batcher does so.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class NotDone(Exception):
    """The work was not done, or not in time."""


_PENDING = NotDone("Not yet.")


class _Entry(Generic[Item, Result]):
    """What a thread wants done; it waits for its turn, or has none if it came first."""

    __slots__ = ("item", "leads", "outcome", "turn")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.leads = False
        self.outcome: Result | Exception = _PENDING
        self.turn: threading.Lock | None = None

    def result(self) -> Result:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class _Awaited(_Entry[Item, Result]):
    """What a task wants done; it awaits `told`, and never leads."""

    __slots__ = ("loop", "told")

    def __init__(self, item: Item, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(item)
        self.loop = loop
        self.told: asyncio.Future[None] = loop.create_future()


class Batcher(Generic[Item, Result]):
    """Calls `work` with the items of up to `most` threads and tasks, never twice at the same time.

    `work` returns an outcome for each item, in their order; an exception among them is raised for its
    own item alone. At most `queue` of them wait, each for at most `patience` seconds.
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
        # The first task starts it, hence after a fork; it does its work to the end before the process ends.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="jay_sessions")

    def do(self, item: Item) -> Result:
        """Return what `work` has for the item, and raise what it has instead.

        Raises NotDone where too many wait, or where the turn does not come in time; the item may
        have been taken up all the same.
        """
        entry: _Entry[Item, Result] = _Entry(item)
        with self._lock:
            self._join(entry)
            if self._is_busy:
                entry.turn = threading.Lock()
                entry.turn.acquire()
            else:
                self._is_busy = entry.leads = True
        if entry.turn is not None and not entry.turn.acquire(timeout=self._patience):
            self._give_up(entry)
        if entry.leads:
            self._lead()
        return entry.result()

    async def ado(self, item: Item) -> Result:
        """As `do`, for a task: its event loop goes on meanwhile."""
        loop = asyncio.get_running_loop()
        entry: _Awaited[Item, Result] = _Awaited(item, loop)
        with self._lock:
            self._join(entry)
            is_first, self._is_busy = not self._is_busy, True
        if is_first:
            self._thread.submit(self._lead)
        timer = loop.call_later(self._patience, self._give_up, entry)
        try:
            await entry.told
        finally:
            timer.cancel()
        return entry.result()

    def _join(self, entry: _Entry[Item, Result]) -> None:
        if len(self._queue) >= self._room:
            raise NotDone("Too many are waiting.")
        self._queue.append(entry)

    def _give_up(self, entry: _Entry[Item, Result]) -> None:
        with self._lock:
            if entry.leads or entry.outcome is not _PENDING:
                return
            if entry in self._queue:
                self._queue.remove(entry)
            entry.outcome = NotDone("Waited in vain.")
        if isinstance(entry, _Awaited):
            _wake([entry])

    def _lead(self) -> None:
        # A thread that leads is the first of the queue, and so among those that are taken. The tasks for
        # which the batcher's own thread leads may all have given up.
        with self._lock:
            taken, self._queue = self._queue[: self._most], self._queue[self._most :]
        outcomes: list[Result | Exception] = []
        try:
            outcomes = self._work([entry.item for entry in taken]) if taken else []
        except Exception as error:  # noqa: BLE001 (whoever waits must hear of it)
            outcomes = [error] * len(taken)
        finally:
            # The next one first: its work can begin while these are still being woken up.
            self._hand_over()
            if not outcomes:
                outcomes = [NotDone("Broken off.")] * len(taken)
            _tell(taken, outcomes)

    def _hand_over(self) -> None:
        with self._lock:
            if not self._queue:
                self._is_busy = False
                return
            following = self._queue[0]
            following.leads = not isinstance(following, _Awaited)
        if following.turn is not None:
            following.turn.release()
        else:
            self._thread.submit(self._lead)


def _tell(entries: list[_Entry[Item, Result]], outcomes: list[Result | Exception]) -> None:
    awaited: dict[asyncio.AbstractEventLoop, list[_Awaited[Item, Result]]] = {}
    for entry, outcome in zip(entries, outcomes, strict=True):
        entry.outcome = outcome
        if isinstance(entry, _Awaited):
            awaited.setdefault(entry.loop, []).append(entry)
        elif entry.turn is not None and not entry.leads:
            entry.turn.release()
    for loop, of_the_loop in awaited.items():
        # Nobody waits any more in a loop that was closed.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_wake, of_the_loop)


def _wake(entries: list[_Awaited[Item, Result]]) -> None:
    for entry in entries:
        # A task may have been cancelled meanwhile.
        if not entry.told.done():
            entry.told.set_result(None)
