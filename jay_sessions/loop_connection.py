"""A connection to PostgreSQL whose answers an event loop awaits as it awaits its clients.

A thread that waited for them would take turns with the loop, which costs more than the statement. So
here statements go out and answers come in by those of libpq's calls that never wait
(https://www.postgresql.org/docs/current/libpq-async.html), as `psycopg.pq` has them. That is for the
ordinary case alone: opening the connection, and whatever the server does not answer as it should, are left
to a thread and the connection's own methods.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from asgiref.sync import sync_to_async

from .shared import PerLoop, PerProcess, SharedConnection
from .statements import Planned

T = TypeVar("T")
L = TypeVar("L", bound="OfLoop")


class NotAnswered(Exception):
    """The statement was not done as far as is known; `may_be_done` says whether it may have been."""

    def __init__(self, *, may_be_done: bool) -> None:
        super().__init__("The database has not confirmed it.")
        self.may_be_done = may_be_done


class LoopConnection:
    """A connection for the tasks of one event loop, of which one at a time uses it."""

    def __init__(self, alias: str) -> None:
        self.shared = SharedConnection(alias)
        self._names: dict[str, bytes] = {}
        self._names_are_of: Any = None
        self._is_spent = False

    async def rows(self, statement: Planned) -> list[list[bytes | None]]:
        """Return the rows that the statement finds, their values as PostgreSQL writes them.

        Raises NotAnswered, also where the connection is not open yet or the event loop cannot wait for it;
        the next one to use it is to be `in_thread` then.
        """
        connection = None if self._is_spent else self.shared.planning()
        if connection is None:
            raise NotAnswered(may_be_done=False)
        from psycopg import Error

        # Unless it comes to a good end, nobody knows what the server has planned, and what it will say next.
        self._is_spent, was_sent = True, False
        try:
            name = await self._name(connection, statement.sql)
            connection.pgconn.send_query_prepared(name, statement.values)
            was_sent = True
            result = await _Answer(connection.pgconn).arrives()
        except _Refused as error:
            raise NotAnswered(may_be_done=False) from error
        except (Error, NotImplementedError) as error:
            raise NotAnswered(may_be_done=was_sent) from error
        self._is_spent = False
        columns = range(result.nfields)
        return [[result.get_value(row, column) for column in columns] for row in range(result.ntuples)]

    async def in_thread(self, use: Callable[[SharedConnection], T]) -> T:
        """Return what `use` returns, called in a thread, which may wait for the database."""
        return await sync_to_async(self._renewed, thread_sensitive=False)(use)

    def _renewed(self, use: Callable[[SharedConnection], T]) -> T:
        if self._is_spent:
            self.shared.close()
            self._is_spent = False
        return use(self.shared)

    async def _name(self, connection: Any, sql: str) -> bytes:
        """Return the name under which the connection's server has planned the statement."""
        if self._names_are_of is not connection:
            self._names, self._names_are_of = {}, connection
        name = self._names.get(sql)
        if name is None:
            name = b"jay_sessions_%d" % len(self._names)
            connection.pgconn.send_prepare(name, sql.encode())
            await _Answer(connection.pgconn).arrives()
            self._names[sql] = name
        return name


class OfLoop(Protocol):
    """What an event loop has of its own, with a connection that goes with it."""

    connection: LoopConnection


def in_each_loop(make: Callable[[str], L]) -> PerProcess[PerLoop[L]]:
    """Return what holds, for each database and event loop of a process, what `make` makes of the alias."""
    return PerProcess(lambda alias: PerLoop(lambda: make(alias), lambda one: one.connection.shared.drop()))


class _Refused(Exception):
    """The server has said no: nothing was done."""


class _Answer:
    """What the server says to what libpq was given to send."""

    def __init__(self, wire: Any) -> None:
        self._wire, self._loop = wire, asyncio.get_running_loop()
        self._result: Any = None
        self._is_whole: asyncio.Future[None] = self._loop.create_future()

    async def arrives(self) -> Any:
        """Return the result.

        Raises _Refused, psycopg's OperationalError where the connection is lost, and NotImplementedError
        where the event loop cannot wait for a socket.
        """
        from psycopg import OperationalError, pq

        is_more_than_the_socket_takes = self._wire.flush()
        # What cannot be sent may have its answer already, and no socket any more.
        self._take()
        if not self._is_whole.done():
            await self._waited(self._wire.socket, to_send=bool(is_more_than_the_socket_takes))
        if self._wire.status != pq.ConnStatus.OK:
            raise OperationalError("The connection is lost.")
        if self._result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            raise _Refused
        return self._result

    async def _waited(self, socket: int, *, to_send: bool) -> None:
        loop, is_watched = self._loop, True

        def unwatch() -> None:
            nonlocal is_watched
            if is_watched:
                loop.remove_reader(socket)
                loop.remove_writer(socket)
            is_watched = False

        def go_on() -> None:
            try:
                if not self._wire.flush():
                    loop.remove_writer(socket)
                self._wire.consume_input()
                self._take()
            except Exception as error:  # noqa: BLE001 (whoever waits must hear of it)
                if not self._is_whole.done():
                    self._is_whole.set_exception(error)
            if self._is_whole.done():
                # At once: libpq has closed the socket of a connection that is lost, and its number is free.
                unwatch()
            else:
                # uvloop watches no further once a socket has reported an error, though it may hold more.
                loop.remove_reader(socket)
                loop.add_reader(socket, go_on)

        try:
            loop.add_reader(socket, go_on)
            if to_send:
                loop.add_writer(socket, go_on)
            await self._is_whole
        finally:
            unwatch()

    def _take(self) -> None:
        while not (self._is_whole.done() or self._wire.is_busy()):
            result = self._wire.get_result()
            if result is None:
                self._is_whole.set_result(None)
            else:
                self._result = result
