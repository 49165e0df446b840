"""The wire under the client: connections that keep to a limit of time and of bytes per exchange.

The limits of urllib3 and `requests` start anew with every byte, so an answer that drips has none.
Here everything that is read, from the first byte of the status line, goes through a reader which
gives the socket no more time than the whole exchange has left.
"""

import contextlib
import contextvars
import errno
import http.client
import io
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

from ..exceptions import ZephrBadResponse, ZephrError, ZephrTimeout, ZephrUnavailable
from .retries import Failure

MAX_WIRE_BYTES = 2 * 2**20
"""Bytes read for one answer: status lines, headers and what frames the body included."""

FAILURES = (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError, ValueError)
"""What the layers below raise when an exchange fails (exceptions of `requests` are OSErrors)."""

# A list of one and the same length is allowed; urllib3 refuses one of several (RFC 9110, 8.6).
_LENGTH = re.compile(r"[0-9]{1,19}([ \t]*,[ \t]*[0-9]{1,19})*[ \t]*")


class Exchange:
    """One request and its answer: the time they may take, in seconds, and what came of it."""

    def __init__(self, timeout: float, connect_timeout: float, *, fresh: bool) -> None:
        self.deadline = time.monotonic() + timeout
        self.connect_timeout = connect_timeout
        self.fresh = fresh
        self.connected_anew = False
        self.bytes_received = 0
        self.cut_off = False
        self.status: int | None = None
        self.skew: float | None = None

    def time_left(self) -> float:
        """Return a time above 0. Raises TimeoutError when there is none."""
        return _until(self.deadline)

    def received(self, count: int) -> None:
        """Take note of what was read from the socket. Raises HTTPException when it is too much."""
        self.cut_off = count == 0
        self.bytes_received += count
        if self.bytes_received > MAX_WIRE_BYTES:
            raise http.client.HTTPException("The answer is too long.")


_current: contextvars.ContextVar[Exchange] = contextvars.ContextVar("jay_sessions.zephr.exchange")


@contextlib.contextmanager
def limited(timeout: float, connect_timeout: float, *, fresh: bool = False) -> Iterator[Exchange]:
    """Hold whatever this thread sends and receives over `POOL_CLASSES` to limits, in seconds.

    With `fresh`, no connection that was kept open is used.
    """
    token = _current.set(Exchange(timeout, connect_timeout, fresh=fresh))
    try:
        yield _current.get()
    finally:
        _current.reset(token)


def explain(error: BaseException, exchange: Exchange) -> Failure:
    """Return what one of `FAILURES` means to a caller, its error to be raised outside the `except` block.

    Only the words of the operating system or of TLS become its cause: the other exceptions hold the
    request, with the signature, or a piece of the answer; so do the frames of a traceback.
    """
    root = _root(error)
    may_pass = False
    if isinstance(root, TimeoutError):
        meaning: ZephrError = ZephrTimeout("Zephr did not answer in full within the time limit.")
    elif isinstance(root, OSError | urllib3.exceptions.SSLError):
        meaning, may_pass = ZephrUnavailable("Zephr cannot be reached, or broke off."), _may_pass(root)
    elif exchange.cut_off and not isinstance(root, http.client.BadStatusLine):
        meaning, may_pass = ZephrUnavailable("Zephr broke off in the middle of its answer."), True
    else:
        meaning = ZephrBadResponse("Zephr answered with broken HTTP, or with too much of it.")
    if isinstance(root, OSError):
        meaning.__cause__ = root.with_traceback(None)
    # A connection that was kept open may end just as it is used again, which says nothing of Zephr.
    at_once = not exchange.connected_anew and not exchange.bytes_received
    return Failure(meaning, may_pass=may_pass, at_once=at_once)


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_AGAIN
    if isinstance(error, ConnectionError | ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return True
    return isinstance(error, OSError) and error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH)


def _root(error: BaseException) -> BaseException:
    while inner := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        error = inner
    return error


def _until(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("The time limit is reached.")
    return left


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
        # http.client takes the end of the connection for the end of the headers, and urllib3 logs
        # what it cannot parse, to go on without it; both take a length that is none for no length.
        if self._exchange.cut_off or self.headers.defects or self.headers.get_payload():
            raise http.client.HTTPException("The headers are broken.")
        if not all(map(_LENGTH.fullmatch, self.headers.get_all("Content-Length", ()))):
            raise http.client.HTTPException("The length is none.")


class _Connection(HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return _connect(self.host, self.port, self.socket_options)


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)
        if _current.get().fresh:
            # Closed, it connects anew, as one does that urllib3 finds dropped.
            connection.close()
        return connection


class _TLSPool(_Pool, urllib3.HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


POOL_CLASSES = {"http": _Pool, "https": _TLSPool}
"""By scheme, for `urllib3.PoolManager.pool_classes_by_scheme`."""


def _connect(host: str, port: int, options: Any) -> socket.socket:
    # urllib3 gives each address of a host the whole time to connect; here they share it.
    exchange = _current.get()
    exchange.connected_anew = True
    deadline = min(exchange.deadline, time.monotonic() + exchange.connect_timeout)
    addresses = _resolve(host, port, _until(deadline))
    failure: OSError | None = None
    for tried, (*kind, _, address) in enumerate(addresses):
        with contextlib.ExitStack() as on_failure:
            try:
                sock = on_failure.enter_context(socket.socket(*kind))
                for option in options or ():
                    sock.setsockopt(*option)
                sock.settimeout(_until(deadline) / (len(addresses) - tried))
                sock.connect(address)
                # For TLS, whose handshake comes next; what is sent after it fits into any buffer.
                sock.settimeout(_until(deadline))
            except OSError as error:
                failure = error
                continue
            on_failure.pop_all()
            return sock
    raise failure or OSError("The host's name has no address.")


def _resolve(host: str, port: int, timeout: float) -> list[Any]:
    # Nothing can interrupt getaddrinfo, whose own limits are those of the system's resolver; so it
    # is asked by a thread that may outlive the call.
    answers: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except UnicodeError:
            answers.put(OSError("The host's name is none."))
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
