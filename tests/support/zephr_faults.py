"""Everything that can go wrong between the client and Zephr, once each; whoever calls Zephr can use it.

with fault.happening(stand_in, ALWAYS) as base_url:
    ...  # ask there
"""

import contextlib
import dataclasses
import itertools
import math
import socket
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jay_sessions.exceptions import (
    ZephrBadResponse,
    ZephrCredentialsRejected,
    ZephrError,
    ZephrSessionNotFound,
    ZephrThrottled,
    ZephrTimeout,
    ZephrUnavailable,
)
from project.zephr_stand_in import ZephrStandIn

from .zephr_tls import STRANGE, TRUSTED, server_context
from .zephr_wire import DRIP_TIMEOUT, answer, dripping, resetting, sending

UPSTREAM_WORDS = "upstream-words"
"""Part of every body here: nobody may hear of it."""

BODY = b'{"user_id": "upstream-words"}'
NAME = "zephr.invalid"


def _bomb() -> bytes:
    compressor = zlib.compressobj(wbits=31)
    return b"".join([compressor.compress(bytes(10**6)) for _ in range(100)]) + compressor.flush()


BOMB = _bomb()
"""100 MB of zeros, compressed to 100 kB."""

Happening = Callable[[ZephrStandIn, float], contextlib.AbstractContextManager[str]]


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    `happening(stand_in, times)` lets it happen to that many tries (`ALWAYS`: to all), after which
    the stand-in is healthy; it gives the base URL to ask. Under TLS, the healthy one has the
    certificate `zephr_tls.TRUSTED`. `error` is what comes of it, `retried` says whether another try
    is made, in a call of `timeout` seconds.
    """

    happening: Happening
    error: type[ZephrError]
    retried: bool = False
    timeout: float = 4.0


def instead_of_an_answer(fault: Callable[[Any], None]) -> Happening:
    @contextlib.contextmanager
    def happening(stand_in: ZephrStandIn, times: float) -> Iterator[str]:
        happened = itertools.count(1)

        def counted(handler: Any) -> None:
            if next(happened) >= times:
                stand_in.fault = None
            fault(handler)

        stand_in.fault = counted
        try:
            yield stand_in.base_url
        finally:
            stand_in.fault = None

    return happening


def instead_of_a_connection(welcome: Callable[[socket.socket], socket.socket]) -> Happening:
    @contextlib.contextmanager
    def happening(stand_in: ZephrStandIn, times: float) -> Iterator[str]:
        happened, healthy = itertools.count(1), server_context(TRUSTED)

        def counted(connection: socket.socket) -> socket.socket:
            if next(happened) <= times:
                return welcome(connection)
            return healthy.wrap_socket(connection, server_side=True)

        stand_in.welcome = counted
        try:
            yield stand_in.base_url.replace("http:", "https:")
        finally:
            stand_in.welcome = None

    return happening


def instead_of_an_address(find: Callable[[], tuple[str, int]]) -> Happening:
    @contextlib.contextmanager
    def happening(stand_in: ZephrStandIn, times: float) -> Iterator[str]:
        happened, really = itertools.count(1), socket.getaddrinfo
        port = int(stand_in.base_url.rpartition(":")[2])

        def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
            if host != NAME:
                return really(host, *args, **options)
            address = find() if next(happened) <= times else ("127.0.0.1", port)
            return really(*address, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", getaddrinfo)
            yield f"http://{NAME}:{port}"

    return happening


def _nobody_listens() -> tuple[str, int]:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return closed.getsockname()


def _no_name(code: int) -> Callable[[], tuple[str, int]]:
    def find() -> tuple[str, int]:
        raise socket.gaierror(code, "The words of the resolver")

    return find


def _strange_certificate(connection: socket.socket) -> socket.socket:
    return server_context(STRANGE).wrap_socket(connection, server_side=True)


def _no_tls(connection: socket.socket) -> socket.socket:
    connection.sendall(answer(BODY, "400 Bad Request"))
    return connection


def _endless_body(handler: Any) -> None:
    handler.connection.sendall(answer(Content_Length=10**8))
    for _ in range(100):
        handler.connection.sendall(b" " * 10**6)


def _answered(error: type[ZephrError], status: str = "200 OK", body: bytes = BODY, **more: Any) -> Fault:
    about = {name: more.pop(name) for name in ("retried", "timeout") if name in more}
    return Fault(instead_of_an_answer(sending(answer(body, status, **more))), error, **about)


def _too_late(fault: Callable[[Any], None]) -> Fault:
    return Fault(instead_of_an_answer(fault), ZephrTimeout, timeout=DRIP_TIMEOUT)


def _broken_off(fault: Callable[[Any], None]) -> Fault:
    return Fault(instead_of_an_answer(fault), ZephrUnavailable, retried=True)


FAULTS: dict[str, Fault] = {
    "connection refused": Fault(instead_of_an_address(_nobody_listens), ZephrUnavailable, retried=True),
    "unknown name": Fault(instead_of_an_address(_no_name(socket.EAI_NONAME)), ZephrUnavailable),
    "name server away": Fault(
        instead_of_an_address(_no_name(socket.EAI_AGAIN)), ZephrUnavailable, retried=True
    ),
    "self-signed certificate": Fault(instead_of_a_connection(_strange_certificate), ZephrUnavailable),
    "TLS to a plain port": Fault(instead_of_a_connection(_no_tls), ZephrUnavailable),
    "no answer": _too_late(dripping(b"", b"")),
    "endless status line": _too_late(dripping(b"HTTP/1.1 200 O")),
    "endless headers": _too_late(dripping(b"HTTP/1.1 200 OK\r\nA: b")),
    "endless body": _too_late(dripping(answer(BODY[:-2], Content_Length=10_000))),
    "closed without an answer": _broken_off(sending(b"")),
    "reset in the body": _broken_off(resetting(answer(BODY, Content_Length=100))),
    "Content-Length too long": _broken_off(sending(answer(BODY, Content_Length=100))),
    "Content-Length too short": _answered(ZephrBadResponse, Content_Length=10),
    "negative Content-Length": _answered(ZephrBadResponse, Content_Length=-1),
    "Content-Length that is no number": _answered(ZephrBadResponse, Content_Length="many"),
    "gzip bomb of 100 MB": _answered(ZephrBadResponse, body=BOMB, Content_Encoding="gzip"),
    "body of 100 MB": Fault(instead_of_an_answer(_endless_body), ZephrBadResponse),
    "HTML": _answered(ZephrBadResponse, body=b"<p>upstream-words", Content_Type="text/html"),
    "JSON array": _answered(ZephrBadResponse, body=b'["upstream-words"]'),
    "invalid UTF-8": _answered(ZephrBadResponse, body=b'{"upstream-words": "\xff"}'),
    "NaN": _answered(ZephrBadResponse, body=b'{"upstream-words": NaN}'),
    "200 without a body": _answered(ZephrBadResponse, body=b""),
    "204": _answered(ZephrBadResponse, "204 No Content", body=b"", Content_Length=None),
    "301 to another host": _answered(
        ZephrBadResponse, "301 Moved Permanently", Location="http://other.invalid/upstream-words"
    ),
    "301 to a file": _answered(
        ZephrBadResponse, "301 Moved Permanently", Location="file:///etc/upstream-words"
    ),
    "401": _answered(ZephrCredentialsRejected, "401 Unauthorized"),
    "403": _answered(ZephrCredentialsRejected, "403 Forbidden"),
    "404": _answered(ZephrSessionNotFound, "404 Not Found"),
    "429": _answered(ZephrThrottled, "429 Too Many Requests"),
    "429, Retry-After: 1": _answered(ZephrThrottled, "429 Too Many Requests", Retry_After=1, retried=True),
    "429, Retry-After: 60": _answered(ZephrThrottled, "429 Too Many Requests", Retry_After=60),
    "500": _answered(ZephrUnavailable, "500 Internal Server Error", retried=True),
    "501": _answered(ZephrUnavailable, "501 Not Implemented"),
    "502": _answered(ZephrUnavailable, "502 Bad Gateway", retried=True),
    "503": _answered(ZephrUnavailable, "503 Service Unavailable", retried=True),
    "503, Retry-After: 1": _answered(
        ZephrUnavailable, "503 Service Unavailable", Retry_After=1, retried=True
    ),
    "503, Retry-After: 60": _answered(ZephrUnavailable, "503 Service Unavailable", Retry_After=60),
    "504": _answered(ZephrUnavailable, "504 Gateway Timeout", retried=True),
}
"""By name, as it may stand in a table."""

ALWAYS = math.inf
