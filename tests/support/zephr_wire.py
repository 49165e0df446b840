"""What the tests of the Zephr client share: answers as bytes, and ways to send them badly."""

import contextlib
import socket
import struct
import threading
import time
import traceback

import pytest

from jay_sessions.exceptions import ZephrTimeout
from project.zephr_demo_sessions import DEMO_SESSIONS

ACCESS_KEY, SECRET_KEY = "client-access-key", "client-secret-key"
KNOWN = next(iter(DEMO_SESSIONS))
DRIP_TIMEOUT = 0.4


def answer(body=b"", status="200 OK", **headers):
    """An answer as bytes; a header that is None is left out."""
    headers = {"Content_Type": "application/json", "Content_Length": len(body)} | headers
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1") + body


def chunked(*chunks):
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return answer(body, Content_Length=None, Transfer_Encoding="chunked")


def sending(data):
    return lambda handler: handler.connection.sendall(data)


def dripping(data, drop=b"a"):
    """Send `data`, then `drop` again and again."""

    def fault(handler):
        handler.connection.sendall(data)
        while not handler.server.stand_in.stopping.wait(0.05):
            handler.connection.sendall(drop)

    return fault


def resetting(data):
    """Send `data`, then break the connection with a reset."""

    def fault(handler):
        handler.connection.sendall(data)
        time.sleep(0.05)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    return fault


def one_after_the_other(zephr, *faults):
    """Let the next requests meet these faults, and those after them none."""
    waiting = list(faults)

    def fault(handler):
        this = waiting.pop(0)
        if not waiting:
            zephr.fault = None
        this(handler)

    zephr.fault = fault


@contextlib.contextmanager
def raw_server(handle):
    """A server on 127.0.0.1 that calls `handle(connection, stopping)` for one connection after the other."""
    stopping = threading.Event()

    def serve():
        while not stopping.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    handle(connection, stopping)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stopping.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextlib.contextmanager
def ends_in_time(seconds):
    start = time.monotonic()
    with pytest.raises(ZephrTimeout):
        yield
    # Generous, for slow machines; a limit that starts anew with every byte would never end.
    assert seconds * 0.9 < time.monotonic() - start < seconds + 3


def credentials_of(zephr):
    """For each request that Zephr saw: access key, timestamp, nonce and signature."""
    return [seen.headers["Authorization"].partition(" ")[2].split(":") for seen in zephr.requests]


def everything_said(error, caplog):
    """Whatever an exception, those behind it and the log say.

    That is the attributes and arguments too, and the variables of the frames that are ours.
    """
    seen, waiting, said = set(), [error], ["".join(traceback.format_exception(error))]
    while waiting:
        current = waiting.pop()
        if isinstance(current, BaseException) and id(current) not in seen:
            seen.add(id(current))
            said += [str(current), repr(current), repr(current.args), repr(vars(current))]
            said += _variables(current)
            waiting += [current.__cause__, current.__context__, *current.args]
    said += [record.getMessage() + repr(vars(record)) for record in caplog.records]
    return "\n".join(said)


def _variables(error):
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return [repr(frame.f_locals) for frame in frames if "/tests/" not in frame.f_code.co_filename]
