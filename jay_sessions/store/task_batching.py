"""Batches the work of several tasks of an event loop: one task does it for all.

It does for tasks what `batching.py` does for threads. If no batch is running, one begins at once, with all
items of the same turn of the loop. Otherwise an item joins the queue, and the next batch takes the queue.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Generic, TypeVar

from .batching import NotDone

Item = TypeVar("Item")
Result = TypeVar("Result")


class TaskBatcher(Generic[Item, Result]):
    """Awaits `work` with the items of up to `max_batch` tasks of one loop, never twice at the same time.

    `work` returns one outcome per item, in the same order. An outcome that is an exception is raised only in
    the task of its item. At most `max_queue` tasks wait, each for at most `timeout` seconds.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        max_batch: int,
        max_queue: int = 1000,
        timeout: float = 30.0,
    ) -> None:
        self._work, self._max_batch, self._max_queue, self._timeout = work, max_batch, max_queue, timeout
        self._queue: list[tuple[Item, asyncio.Future[Result]]] = []
        self._worker: asyncio.Task[None] | None = None
        self._begun_at: float | None = None

    def busy_for(self) -> float:
        """Return the seconds since the current call of `work` began; 0 if there is none."""
        begun_at = self._begun_at
        return 0.0 if begun_at is None else monotonic() - begun_at

    async def do(self, item: Item) -> Result:
        """Return the outcome of `work` for the item, or raise it if it is an exception.

        Raises NotDone if too many tasks wait, or if the outcome does not come in time. After a time-out,
        `work` may have the item already.
        """
        if len(self._queue) >= self._max_queue:
            raise NotDone("Too many are waiting.")
        loop = asyncio.get_running_loop()
        told: asyncio.Future[Result] = loop.create_future()
        self._queue.append((item, told))
        if self._worker is None:
            # With a context of its own, because the worker may outlive the task that starts it.
            self._worker = loop.create_task(self._work_off(), context=contextvars.Context())
        timer = loop.call_later(self._timeout, self._give_up, told)
        try:
            return await told
        finally:
            timer.cancel()

    def _give_up(self, told: asyncio.Future[Result]) -> None:
        self._queue = [entry for entry in self._queue if entry[1] is not told]
        if not told.done():
            told.set_exception(NotDone("No result came in time."))

    async def _work_off(self) -> None:
        try:
            while self._queue:
                taken, self._queue = self._queue[: self._max_batch], self._queue[self._max_batch :]
                # Leaves out cancelled tasks.
                if taken := [entry for entry in taken if not entry[1].done()]:
                    await self._serve(taken)
        finally:
            self._worker = None

    async def _serve(self, taken: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        outcomes: Sequence[Result | Exception] = [NotDone("Broken off.")] * len(taken)
        self._begun_at = monotonic()
        try:
            outcomes = await self._work([item for item, _ in taken])
        except Exception as error:  # noqa: BLE001 (the callers that wait get it)
            outcomes = [error] * len(taken)
        finally:
            self._begun_at = None
            for (_, told), outcome in zip(taken, outcomes, strict=True):
                if told.done():
                    continue
                if isinstance(outcome, Exception):
                    told.set_exception(outcome)
                else:
                    told.set_result(outcome)
