"""The connections below the client. They keep to a limit of time and of bytes per exchange.

The time limits of urllib3 and `requests` start anew with every byte, so they never end a slow answer.
Here a reader reads everything from the first byte of the status line on, and gives the socket no more
time than the whole exchange has left.
"""

import contextlib
import contextvars
import http
import http.client
import io
import logging
import os
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from .egress import ProxyFailure

MAX_WIRE_BYTES = 2 * 2**20
"""Most bytes to read for one answer: status lines, headers, and the body with its framing."""

# A list is valid if all its lengths are equal; urllib3 refuses different ones (RFC 9110, 8.6).
_LENGTH = re.compile(r"[0-9]{1,19}([ \t]*,[ \t]*[0-9]{1,19})*[ \t]*")


class Exchange:
    """One request and its answer: the time they may take, in seconds, and the result."""

    def __init__(self, timeout: float, connect_timeout: float, *, fresh: bool) -> None:
        self._deadline = self._limit = time.monotonic() + timeout
        self._connect_timeout = connect_timeout
        self.fresh = fresh
        self.connected_anew = False
        self.at_proxy = False
        self.bytes_received = 0
        self.cut_off = False
        self.status: int | None = None
        self.skew: float | None = None

    def time_left(self) -> float:
        """Return the seconds left (while connecting: for that), above 0. Raises TimeoutError if none are."""
        left = self._limit - time.monotonic()
        if left <= 0:
            raise TimeoutError("The time limit is reached.")
        return left

    @contextlib.contextmanager
    def connecting(self, *, through_proxy: bool) -> Iterator[None]:
        """Limit the time to connect. If that fails, `at_proxy` says whether it failed at the proxy."""
        self.connected_anew, self.at_proxy = True, through_proxy
        self._limit = min(self._deadline, time.monotonic() + self._connect_timeout)
        yield
        self._limit, self.at_proxy = self._deadline, False

    def received(self, count: int) -> None:
        """Count the bytes read from the socket. Raises HTTPException if they are too many."""
        self.cut_off = count == 0
        self.bytes_received += count
        if self.bytes_received > MAX_WIRE_BYTES:
            raise http.client.HTTPException("The answer is too long.")


_current: contextvars.ContextVar[Exchange] = contextvars.ContextVar("jay_sessions.zephr.exchange")


def _is_not_ours(record: logging.LogRecord) -> bool:
    return _current.get(None) is None


# urllib3 logs the path, and so the session's id. The client itself logs what is worth a line.
for _name in ("urllib3.connection", "urllib3.connectionpool", "urllib3.response", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(_is_not_ours)


@contextlib.contextmanager
def limited(timeout: float, connect_timeout: float, *, fresh: bool = False) -> Iterator[Exchange]:
    """Limit all that this thread sends and receives over `POOL_CLASSES`; both limits are in seconds.

    With `fresh`, the thread uses new connections only.
    """
    token = _current.set(Exchange(timeout, connect_timeout, fresh=fresh))
    try:
        yield _current.get()
    finally:
        _current.reset(token)


class _LimitedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, raw: io.RawIOBase, exchange: Exchange) -> None:
        self._sock = sock
        self._raw = raw
        self._exchange = exchange

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._exchange.time_left())
        count = self._raw.readinto(buffer)
        self._exchange.received(count or 0)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._exchange = _current.get()
        self.fp = io.BufferedReader(_LimitedReader(sock, self.fp.detach(), self._exchange))

    def begin(self) -> None:
        super().begin()
        self._exchange.status = self.status
        # At the end of the connection, http.client assumes the end of the headers. urllib3 logs headers
        # that it cannot parse, and goes on without them. Both ignore an invalid length.
        if self._exchange.cut_off or self.headers.defects or self.headers.get_payload():
            raise http.client.HTTPException("The headers are invalid.")
        if not all(map(_LENGTH.fullmatch, self.headers.get_all("Content-Length", ()))):
            raise http.client.HTTPException("The length is not a number.")


class _TunnelResponse(_Response):
    """A proxy's answer to CONNECT."""

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        if status != http.HTTPStatus.OK:
            raise ProxyFailure.answered(status)
        return version, status, reason


class _Connection(HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return _connect(self.host, self.port, self.socket_options)

    def connect(self) -> None:
        with _current.get().connecting(through_proxy=self.proxy is not None):
            super().connect()


class _TLSConnection(_Connection, HTTPSConnection):
    def _tunnel(self) -> None:
        self.response_class = _TunnelResponse
        super()._tunnel()
        self.response_class = _Response
        exchange = _current.get()
        if exchange.cut_off:
            # At the end of the connection, http.client assumes the end of the headers.
            raise ConnectionError("it broke off")
        # The next bytes are TLS with Zephr itself.
        exchange.at_proxy = False
        self.sock.settimeout(exchange.time_left())


class _ProxyTLSSocket(ssl.SSLSocket):
    # For TLS with Zephr inside TLS with the proxy: urllib3 reads the inner one in many steps, and without
    # this each step would have the socket's whole time.
    def recv(self, *args: Any) -> bytes:
        self.settimeout(_current.get().time_left())
        return super().recv(*args)


def proxy_context(verify: str | bool) -> ssl.SSLContext:
    """Return the context for TLS with an https proxy; `verify` is as in `requests`, but a path or False."""
    directory = isinstance(verify, str) and os.path.isdir(verify)  # noqa: PTH112 (a path that cannot be is none)
    file = None if directory or not verify else str(verify)
    context = ssl.create_default_context(cafile=file, capath=str(verify) if directory else None)
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.sslsocket_class = _ProxyTLSSocket
    return context


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)
        if _current.get().fresh:
            # A closed connection connects anew; urllib3 does the same with one that it finds dropped.
            connection.close()
        return connection

    def _validate_conn(self, conn: Any) -> None:
        # For http, urllib3 connects during the request. Here that would count a reset while connecting as a
        # reset of an open connection.
        super()._validate_conn(conn)
        if conn.is_closed:
            conn.connect()


class _TLSPool(_Pool, urllib3.HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


POOL_CLASSES = {"http": _Pool, "https": _TLSPool}
"""By scheme, the value for `urllib3.PoolManager.pool_classes_by_scheme`."""


def _connect(host: str, port: int, options: Any) -> socket.socket:
    # urllib3 gives each address of a host the whole time to connect; here all addresses share it.
    exchange = _current.get()
    addresses = _resolve(host, port, exchange.time_left())
    failure: OSError | None = None
    for tried, (*kind, _, address) in enumerate(addresses):
        with contextlib.ExitStack() as on_failure:
            try:
                sock = on_failure.enter_context(socket.socket(*kind))
                for option in options or ():
                    sock.setsockopt(*option)
                sock.settimeout(exchange.time_left() / (len(addresses) - tried))
                sock.connect(address)
                # For the TLS handshake, which comes next. All that is sent after it fits into any buffer.
                sock.settimeout(exchange.time_left())
            except OSError as error:
                failure = error
                continue
            on_failure.pop_all()
            return sock
    raise failure or OSError("The host's name has no address.")


def _resolve(host: str, port: int, timeout: float) -> list[Any]:
    # Nothing can interrupt getaddrinfo; only the system's resolver limits it. So a thread runs it that
    # may outlive the call.
    answers: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except UnicodeError:
            answers.put(OSError("The host's name is not valid."))
        except OSError as error:
            answers.put(error)

    threading.Thread(target=ask, name="jay_sessions.zephr.resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout)
    except queue.Empty:
        raise TimeoutError("The host's name was not resolved in time.") from None
    if isinstance(answer, OSError):
        raise answer
    return answer
