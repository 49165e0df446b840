"""A TCP proxy that fails as networks do: it falls silent, refuses, leads elsewhere, is slow.

It runs in a thread of its own. What has fallen silent still takes what it is sent, and its kernel
acknowledges it: to the other side nothing is wrong but that no answer comes. A connection that was silent
stays so until it is closed, as one does whose peer has lost its power.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from ..support.servers import free_port

Address = tuple[str, int]
SILENT, OPEN = "silent", "open"


def at_port(url: str, port: int) -> str:
    """Return the URL of the same at another port of this machine."""
    parts = urlsplit(url)
    login, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}{at}127.0.0.1:{port}"))


class _Pair:
    """A client's connection and the one to the target that stands behind it, until one side closes."""

    def __init__(self, state: str) -> None:
        self.state = state
        self.writers: list[asyncio.StreamWriter] = []

    def close(self) -> None:
        for writer in self.writers:
            writer.close()


class Proxy:
    """Listens on `port` and leads to `target`, until the block ends.

    Everything that it is told holds when the call returns. `delay` is a number of seconds that each
    piece of what is sent, in either direction, comes later.
    """

    def __init__(self, target: Address) -> None:
        self.target, self.port = target, free_port()
        self.delay = 0.0
        self._new = OPEN
        self._pairs: set[_Pair] = set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._await(self._listen())
        return self

    def __exit__(self, *exc: object) -> None:
        self._await(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def url(self, url: str) -> str:
        """Return a URL of the target as it is reached through here."""
        return at_port(url, self.port)

    def silence_open(self) -> int:
        """Let the connections that are open fall silent; new ones work. Returns how many there were."""
        return self._call(self._silence)

    def silence_all(self) -> int:
        """The same, and let new connections be accepted and never answered."""
        self._new = SILENT
        return self.silence_open()

    def recover(self) -> None:
        """Let new connections work again; what is silent stays so."""
        self._new = OPEN
        self._await(self._listen())

    def drop(self) -> None:
        """Reset the connections that are open."""
        self._call(self._reset)

    def refuse(self) -> None:
        """Reset the connections, and refuse new ones."""
        self._await(self._stop_listening())
        self.drop()

    def lead_to(self, target: Address) -> None:
        """Lead new connections there; those that are open stay where they are."""
        self.target = target

    def open_connections(self) -> int:
        """Return how many clients' connections are open, silent ones too."""
        return self._call(lambda: len(self._pairs))

    def _silence(self) -> int:
        for pair in self._pairs:
            pair.state = SILENT
        return len(self._pairs)

    def _reset(self) -> None:
        for pair in list(self._pairs):
            for writer in pair.writers:
                # Closed with this, a socket sends a reset; one may be closed already.
                connection = writer.get_extra_info("socket")
                if connection is not None and connection.fileno() >= 0:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()

    def _call(self, function: Callable[[], Any]) -> Any:
        async def call() -> Any:
            return function()

        return self._await(call())

    def _await(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, backlog=1024)

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _end(self) -> None:
        await self._stop_listening()
        self._reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        pair = _Pair(self._new)
        pair.writers.append(writer)
        self._pairs.add(pair)
        try:
            with contextlib.suppress(OSError):
                if pair.state == SILENT:
                    await self._swallow(reader)
                else:
                    await self._connect(pair, reader, writer)
        finally:
            pair.close()
            self._pairs.discard(pair)
            self._tasks.discard(task)

    async def _connect(self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_connection(*self.target)
        pair.writers.append(back_writer)
        # Whoever closes first, closes both; a target that closes a silent connection is not heard.
        back = asyncio.create_task(self._pump(pair, back_reader, writer))
        try:
            await self._pump(pair, reader, back_writer)
            if pair.state == SILENT:
                # Nor does the target hear that the client has gone: it keeps the connection.
                await asyncio.Event().wait()
        finally:
            back.cancel()

    async def _pump(self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if pair.state == OPEN:
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass
        if pair.state == OPEN:
            writer.close()

    async def _swallow(self, reader: asyncio.StreamReader) -> None:
        while await reader.read(65536):
            pass
