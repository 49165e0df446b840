"""A connection to PostgreSQL for the tasks of an event loop.

A thread that waits for the answers would take turns with the loop, and that costs more than the statement.
So statements use psycopg's `AsyncConnection` here, in the ordinary case only: a thread opens the connection
with Django, and a thread repeats statements that the server does not answer as expected.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from asgiref.sync import sync_to_async

from .. import conf
from .connections import PerLoop, PerProcess, SharedConnection
from .deadlines import shut_down
from .prepared import Planned, awaited, awaited_over, begin
from .suspects import says_read_only

T = TypeVar("T")
L = TypeVar("L", bound="OfLoop")


class NotAnswered(Exception):
    """No confirmation arrived for the statement. `may_be_done`: it may have run anyway."""

    def __init__(self, *, may_be_done: bool) -> None:
        super().__init__("The database has not confirmed it.")
        self.may_be_done = may_be_done


class LoopConnection:
    """A connection for the tasks of one event loop. Only one task at a time may use it."""

    def __init__(self, alias: str) -> None:
        self.shared = SharedConnection(alias)
        self._awaited: Any = None
        self._is_spent = False

    async def rows(self, statement: Planned) -> list[tuple[Any, ...]]:
        """Run the statement and return its rows.

        Raises NotAnswered if the server reports an error, does not answer within `DATABASE_TIMEOUT` or is
        read-only; or if the connection is not open yet, or the event loop cannot wait for it. The next use
        must then be `in_thread`.
        """
        opened = None if self._is_spent else self.shared.prepared_connection()
        if opened is None:
            raise NotAnswered(may_be_done=False)
        from psycopg import Error

        # Without a normal end, it is unknown what the server has prepared and what it will send next.
        self._is_spent, was_sent = True, False
        deadline = _Deadline(opened)
        try:
            if self._awaited is None:
                self._awaited = awaited_over(opened)
                await begin(self._awaited)
            was_sent = True
            found = await awaited(self._awaited, statement)
        except (Error, NotImplementedError) as error:
            is_refused = isinstance(error, Error) and not (opened.closed or deadline.is_past)
            # Without the cause: PostgreSQL's message holds values.
            raise NotAnswered(may_be_done=was_sent and not is_refused) from None
        finally:
            deadline.end()
            if deadline.is_past:
                self.shared.doubt()
        if says_read_only(opened):
            self.shared.doubt()
            raise NotAnswered(may_be_done=True)
        self._is_spent = deadline.is_past
        return found

    async def in_thread(self, use: Callable[[SharedConnection], T]) -> T:
        """Call `use` in a thread, where it may wait for the database, and return its result."""
        return await sync_to_async(self._renewed, thread_sensitive=False)(use)

    def _renewed(self, use: Callable[[SharedConnection], T]) -> T:
        if self._awaited is not None:
            self.shared.close()
            self._awaited, self._is_spent = None, False
        return use(self.shared)


class _Deadline:
    """A time limit of `DATABASE_TIMEOUT` from now. Afterwards, the waiting task sees a lost connection."""

    def __init__(self, connection: Any) -> None:
        self.is_past = False
        seconds = conf.get().database_timeout
        self._timer = asyncio.get_running_loop().call_later(seconds, self._break_off, connection)

    def end(self) -> None:
        self._timer.cancel()

    def _break_off(self, connection: Any) -> None:
        # Not by cancellation: psycopg would first ask the silent server to cancel the statement.
        self.is_past = True
        shut_down(connection)


class OfLoop(Protocol):
    """An object that each event loop has one of, with a connection of its own."""

    connection: LoopConnection


def in_each_loop(make: Callable[[str], L]) -> PerProcess[PerLoop[L]]:
    """Return a holder of one `make(alias)` for each database, process and event loop."""
    return PerProcess(lambda alias: PerLoop(lambda: make(alias), lambda one: one.connection.shared.drop()))
