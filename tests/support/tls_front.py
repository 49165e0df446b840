"""TLS in front of a server of the tests, as a proxy has it: for what browsers do only over https."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from .zephr_tls import TRUSTED, server_context


@contextlib.contextmanager
def tls_front(port: int, behind: int) -> Iterator[None]:
    """Take TLS off what comes to `port`, and hand it to the port `behind` it, until the block ends."""
    ready = threading.Event()
    held: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        stop = asyncio.Event()
        held.append((asyncio.get_running_loop(), stop))
        async with _Front(behind).at(port):
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield
    finally:
        [(loop, stop)] = held
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


class _Front:
    def __init__(self, behind: int) -> None:
        self._behind, self._writers = behind, set()

    @contextlib.asynccontextmanager
    async def at(self, port: int):
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", port, ssl=server_context(TRUSTED))
        try:
            yield
        finally:
            server.close()
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.sleep(0.1)  # what is aborted is gone a little later

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._behind)
        self._writers |= {writer, back}
        await asyncio.gather(_pump(reader, back), _pump(there, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    writer.close()
