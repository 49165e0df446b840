"""Simultaneous questions of threads, or of an event loop's tasks, sent to the database in one statement.

Threads share one connection, the tasks of an event loop another one. One thread or task asks for all, and the
others wait for it. A single question does not wait. Nothing runs in the background, so nothing has to be
started after a fork or finished at the end.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.asyncio import async_unsafe

from ..database.attempts import queue_timeout
from ..database.connections import PerProcess, SharedConnection
from ..database.errors import translating_errors
from ..database.loop_connection import LoopConnection, NotAnswered, in_each_loop
from ..database.prepared import Planned
from ..exceptions import StoreLacksPartition, StoreUnavailable
from .batching import Batcher, NotDone
from .task_batching import TaskBatcher

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_BATCH = 64
"""The most items of one statement. A connection plans one statement for each number of items."""


@dataclasses.dataclass(slots=True)
class _OfThreads(Generic[Item, Result]):
    connection: SharedConnection
    batcher: Batcher[Item, Result]


@dataclasses.dataclass(slots=True)
class _OfLoop(Generic[Item, Result]):
    connection: LoopConnection
    batcher: TaskBatcher[Item, Result]


class Grouped(Generic[Item, Result]):
    """One kind of question or change of threads, grouped for each database of this process.

    `ask(connection, items, again)` gets up to `MAX_BATCH` items and returns one result per item, in order. It
    uses Django's connection. With `again`, the items may be done already.
    """

    def __init__(self, ask: Callable[[BaseDatabaseWrapper, Sequence[Item], bool], Sequence[Result]]) -> None:
        self._ask = ask
        self.threads = PerProcess(self._for_threads)

    # Refused in the thread of an event loop: it would block the tasks that wait for the same statement.
    @async_unsafe
    def do(self, alias: str, item: Item) -> Result:
        """Return the item's result from the database with this alias.

        Raises StoreUnavailable, also if the result does not come in time. Database errors about the item
        pass through, and do not affect other items.
        """
        try:
            return self.threads.get(alias).batcher.do(item)
        except NotDone as error:
            raise StoreUnavailable(_LATE) from error

    def do_all(
        self, connection: SharedConnection, items: Sequence[Item], *, again: bool = False
    ) -> Sequence[Result | Exception]:
        """Return for each item its result, or the exception to raise for it.

        With `again`, the items may be done already.
        """
        try:
            with translating_errors():
                return connection.run(lambda wrapper, resent: self._ask(wrapper, items, again or resent))
        except StoreUnavailable as error:
            if len(items) == 1 or not isinstance(error, StoreLacksPartition):
                return [error.again() for _ in items]
        except DatabaseError as error:
            if len(items) == 1:
                return [error]
        # One item causes the error, and the others must not fail with it.
        return [self.do_all(connection, [item], again=again)[0] for item in items]

    def busy_for(self) -> float:
        """Return the seconds since this process's oldest running statement began; 0 if none is running."""
        return max((made.batcher.busy_for() for made in self.threads.made()), default=0.0)

    def forget(self) -> None:
        """Forget all connections and batches; the next call makes new ones."""
        self.threads.forget()

    def _for_threads(self, alias: str) -> _OfThreads[Item, Result]:
        connection = SharedConnection(alias)
        batcher: Batcher[Item, Result] = Batcher(
            lambda items: self.do_all(connection, items), max_batch=MAX_BATCH, timeout=queue_timeout()
        )
        return _OfThreads(connection, batcher)


class GroupedForTasks(Grouped[Item, Result]):
    """As `Grouped`, also for the tasks of event loops.

    - `statement(items)` returns the statement for an event loop.
    - `results(items, rows)` makes the results from the rows of that statement.
    """

    def __init__(
        self,
        ask: Callable[[BaseDatabaseWrapper, Sequence[Item], bool], Sequence[Result]],
        statement: Callable[[Sequence[Item]], Planned],
        results: Callable[[Sequence[Item], Sequence[Sequence[Any]]], Sequence[Result]],
    ) -> None:
        super().__init__(ask)
        self._statement, self._results = statement, results
        self.loops = in_each_loop(self._for_loop)

    async def ado(self, alias: str, item: Item) -> Result:
        """As `do`, for a task."""
        try:
            return await self.loops.get(alias).get().batcher.do(item)
        except NotDone as error:
            raise StoreUnavailable(_LATE) from error

    async def ado_all(
        self, connection: LoopConnection, items: Sequence[Item]
    ) -> Sequence[Result | Exception]:
        """As `do_all`. Without a confirmation on the event loop's connection, a thread does it again."""
        try:
            rows = await connection.rows(self._statement(items))
        except NotAnswered as error:
            again = error.may_be_done
            return await connection.in_thread(lambda shared: self.do_all(shared, items, again=again))
        return self._results(items, rows)

    def busy_for(self) -> float:
        """As `Grouped.busy_for`."""
        times = [made.batcher.busy_for() for loops in self.loops.made() for made in loops.made()]
        return max([super().busy_for(), *times])

    def forget(self) -> None:
        """As `Grouped.forget`."""
        super().forget()
        self.loops.forget()

    def _for_loop(self, alias: str) -> _OfLoop[Item, Result]:
        connection = LoopConnection(alias)
        batcher: TaskBatcher[Item, Result] = TaskBatcher(
            lambda items: self.ado_all(connection, items), max_batch=MAX_BATCH, timeout=queue_timeout()
        )
        return _OfLoop(connection, batcher)


_LATE = "The database did not answer in time."
