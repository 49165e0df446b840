"""A time limit for bodies: under WSGI, a body that never ends would hold its thread for ever."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

from .. import http

TIMEOUT = 10.0
"""Seconds in which a whole body must arrive, however slowly, if the web server lets the app limit it."""


@contextlib.contextmanager
def bounded(environ: dict[str, Any]) -> Iterator[None]:
    """End a body that is read within the block after `TIMEOUT`, as if its client had disconnected.

    `environ` is WSGI's. This works under gunicorn, which gives access to its socket; not under other servers.
    """
    connection = environ.get("gunicorn.socket")
    # A thread for each POST would cost as much as the rest of it, and most have no body.
    if not isinstance(connection, socket.socket) or not http.may_have_body(environ):
        yield
        return
    # A time-out of the socket would begin anew with each byte.
    timer = threading.Timer(TIMEOUT, _shut, (connection,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut(connection: socket.socket) -> None:
    # A TLS socket's own method would send the answer unencrypted.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RD)
