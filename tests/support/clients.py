"""Clients of a running site, at work all the time; a client's connection, and an answer as it sees it."""

import contextlib
import dataclasses
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from .servers import PATH, PATIENCE, Server

WITHIN = 15.0
"""Seconds for which a client waits for an answer; everything that is asked is to be answered sooner."""

REQUESTS = 20
"""Requests of one connection, as a rule: the next one may lead to another of the site's processes."""

RIGHT, REFUSED, WRONG, HUNG, CUT_OFF = "right", "refused", "wrong", "hung", "cut off"
UNREACHED = "unreached"
"""Nobody listens, so nothing was sent."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What came back: `status` 0 where nothing did, and `error` says then how it ended."""

    sent: float
    answered: float
    status: int
    headers: http.client.HTTPMessage
    said: Any
    error: str = ""

    def refusal(self) -> bool:
        """Say whether it is a 503 in the contract's way."""
        with contextlib.suppress(KeyError, TypeError, ValueError):
            return (
                self.status == 503
                and int(self.headers["Retry-After"]) > 0
                and self.said["error"]["details"] == "STORE_UNAVAILABLE"
                and set(self.said) == {"error"}
            )
        return False

    def kind(self, is_right: bool) -> str:
        """Return which kind of an answer it is, given whether it is right where it is no refusal."""
        if self.error:
            return CUT_OFF if self.error == UNREACHED else self.error
        return REFUSED if self.refusal() else RIGHT if is_right else WRONG


class Connection:
    """A client's connection to the site, kept for so many requests, and made anew after a failure."""

    def __init__(self, server: Server, most: float = REQUESTS, within: float = WITHIN) -> None:
        self._server, self._most, self._within, self._requests = server, most, within, 0
        self._open = self._new()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def abort(self) -> None:
        """Let whoever waits for an answer wait no more, which another thread may do."""
        if (waiting := self._open.sock) is not None:
            with contextlib.suppress(OSError):
                waiting.shutdown(socket.SHUT_RDWR)

    def ask(self, method: str, path: str = PATH, token: str = "", key: str = "") -> Reply:
        """Send a request, with the site's key or another one; return what came `within` its time."""
        headers = {"X-API-Key": key or self._server.key, "Accept": "application/json"}
        if token:
            headers["X-JAY-TRACKING"] = token
        if self._requests >= self._most:
            self._begin_anew()
        self._requests += 1
        sent = time.monotonic()
        try:
            if self._open.sock is None:
                self._open.connect()
        except TimeoutError:
            return self._failed(sent, HUNG)
        except OSError:
            return self._failed(sent, UNREACHED)
        try:
            self._open.request(method, path, headers=headers)
            response = self._open.getresponse()
            body = response.read()
        except TimeoutError:
            return self._failed(sent, HUNG)
        except (OSError, http.client.HTTPException):
            return self._failed(sent, CUT_OFF)
        answered = time.monotonic()
        try:
            said = json.loads(body)
        except ValueError:
            said = body[:200].decode(errors="replace")
        return Reply(sent, answered, response.status, response.headers, said)

    def _failed(self, sent: float, error: str) -> Reply:
        self._begin_anew()
        return Reply(sent, time.monotonic(), 0, http.client.HTTPMessage(), None, error)

    def _begin_anew(self) -> None:
        self._open.close()
        self._open, self._requests = self._new(), 0

    def _new(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=self._within)


class Clients:
    """Threads that are clients of a site from the beginning of the block to its end.

    Each calls its target with its connection, and the target goes on until `ended` is set. `grace` seconds
    after that, connections that still wait for an answer are cut.
    """

    def __init__(
        self, server: Server, *, grace: float, most: float = REQUESTS, within: float = WITHIN
    ) -> None:
        self.server = server
        self.ended, self.lock = threading.Event(), threading.Lock()
        self._grace, self._most, self._within = grace, most, within
        self._threads: list[threading.Thread] = []
        self._connections: list[Connection] = []

    def add(self, target: Callable[..., None], *arguments: object) -> None:
        """Let one more client call `target(connection, *arguments)`, once the block begins."""
        self._threads.append(threading.Thread(target=self._connected, args=(target, arguments)))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.ended.set()
        deadline = time.monotonic() + self._grace
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for connection in self._connections:
            connection.abort()
        for thread in self._threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads), "A client was never answered."

    def _connected(self, target: Callable[..., None], arguments: tuple[object, ...]) -> None:
        with Connection(self.server, self._most, self._within) as connection:
            self._connections.append(connection)
            target(connection, *arguments)
