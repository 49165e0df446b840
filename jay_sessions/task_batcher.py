"""What tasks of an event loop want done at the same time, done for all of them by one task.

What `batcher.py` is for threads. Whoever comes while nobody is at it has it done at once, together with
those that come in the same turn of the loop. Whoever comes meanwhile queues, and is served with all that
queue.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from .batcher import NotDone

Item = TypeVar("Item")
Result = TypeVar("Result")


class TaskBatcher(Generic[Item, Result]):
    """Awaits `work` with the items of up to `most` tasks of one loop, never twice at the same time.

    `work` returns an outcome for each item, in their order; an exception among them is raised for its
    own item alone. At most `queue` of them wait, each for at most `patience` seconds.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], Awaitable[list[Result | Exception]]],
        *,
        most: int,
        queue: int = 1000,
        patience: float = 30.0,
    ) -> None:
        self._work, self._most, self._room, self._patience = work, most, queue, patience
        self._queue: list[tuple[Item, asyncio.Future[Result]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def do(self, item: Item) -> Result:
        """Return what `work` has for the item, and raise what it has instead.

        Raises NotDone where too many wait, or where the turn does not come in time; the item may
        have been taken up all the same.
        """
        if len(self._queue) >= self._room:
            raise NotDone("Too many are waiting.")
        loop = asyncio.get_running_loop()
        told: asyncio.Future[Result] = loop.create_future()
        self._queue.append((item, told))
        if self._worker is None:
            # In a context of its own: whoever comes first may be done long before it.
            self._worker = loop.create_task(self._work_off(), context=contextvars.Context())
        timer = loop.call_later(self._patience, self._give_up, told)
        try:
            return await told
        finally:
            timer.cancel()

    def _give_up(self, told: asyncio.Future[Result]) -> None:
        self._queue = [entry for entry in self._queue if entry[1] is not told]
        if not told.done():
            told.set_exception(NotDone("Waited in vain."))

    async def _work_off(self) -> None:
        try:
            while self._queue:
                taken, self._queue = self._queue[: self._most], self._queue[self._most :]
                # A task that was cancelled waits no more.
                if taken := [entry for entry in taken if not entry[1].done()]:
                    await self._serve(taken)
        finally:
            self._worker = None

    async def _serve(self, taken: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        outcomes: list[Result | Exception] = [NotDone("Broken off.")] * len(taken)
        try:
            outcomes = await self._work([item for item, _ in taken])
        except Exception as error:  # noqa: BLE001 (whoever waits must hear of it)
            outcomes = [error] * len(taken)
        finally:
            for (_, told), outcome in zip(taken, outcomes, strict=True):
                if told.done():
                    continue
                if isinstance(outcome, Exception):
                    told.set_exception(outcome)
                else:
                    told.set_result(outcome)
