"""A stand-in for Zephr's Admin API: `GET /v3/sessions/{id}` over real HTTP, signature included.

For the demo and for tests; run it by itself with
`python -m project.zephr_stand_in --port 8001 --access-key KEY --secret-key SECRET`.
"""

import argparse
import collections
import contextlib
import dataclasses
import hashlib
import hmac
import json
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote

from .zephr_demo_sessions import DEMO_SESSIONS

SCHEME = "ZEPHR-HMAC-SHA256 "
PATH = "/v3/sessions/"


@dataclasses.dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request as it was sent: `path` is the target of its first line, `client` the address and port."""

    method: str
    path: str
    headers: Mapping[str, str]
    client: tuple[str, int]


class ZephrStandIn:
    """The server; `with ZephrStandIn(...)` starts and stops it, in threads of its own.

    `sessions` maps ids to answers. `port` 0 picks a free port, on 127.0.0.1. `clock` gives seconds since
    the epoch, for the header `Date` too; a timestamp may differ from it by `max_skew_seconds`. `requests`
    are the latest requests. While `fault` is set, it is called with the request's handler instead of an
    answer, and the connection is closed after it; it should end when `stopping` is set. While `welcome`
    is set, it is called with every new connection and returns the one to use, for example one under TLS.
    """

    def __init__(
        self,
        access_key: str,
        secret_key: str,
        sessions: Mapping[str, dict[str, Any]] = DEMO_SESSIONS,
        *,
        port: int = 0,
        clock: Callable[[], float] = time.time,
        max_skew_seconds: int = 300,
    ) -> None:
        self.sessions = sessions
        self.requests: collections.deque[SeenRequest] = collections.deque(maxlen=1000)
        self.fault: Callable[[BaseHTTPRequestHandler], None] | None = None
        self.welcome: Callable[[socket.socket], socket.socket] | None = None
        self.stopping = threading.Event()
        self._access_key = access_key
        self._secret_key = secret_key
        self._port = port
        self.clock = clock
        self._max_skew = max_skew_seconds
        self._nonces: dict[str, float] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.base_url}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """Its URL, without a slash at the end."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> Self:
        """Listen, and answer from other threads. Raises OSError if the port is taken."""
        self._server = _Server(("127.0.0.1", self._port), _Handler)
        self._server.stand_in = self
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,))
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close every connection, and return after all threads have ended."""
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self.break_connections()
        self._server.server_close()

    def break_connections(self) -> None:
        """Close every open connection."""
        self._server.break_connections()

    def answer(self, method: str, target: str, authorization: str) -> tuple[int, dict[str, Any]]:
        """Return the status and the JSON object for a request line's target, given as it was sent."""
        path, _, query = target.partition("?")
        if problem := self._refuse(method, path, query, authorization):
            return 401, {"message": problem}
        if not path.startswith(PATH):
            return 404, {"message": "Not found"}
        session = self.sessions.get(unquote(path.removeprefix(PATH), errors="replace"))
        return (200, session) if session is not None else (404, {"message": "Session not found"})

    def _refuse(self, method: str, path: str, query: str, authorization: str) -> str | None:
        scheme, parts = authorization[: len(SCHEME)], authorization[len(SCHEME) :].split(":")
        if scheme != SCHEME or len(parts) != 4:
            return "Malformed Authorization"
        access_key, timestamp, nonce, given = parts
        if not hmac.compare_digest(access_key.encode(), self._access_key.encode()):
            return "Unknown access key"
        now = self.clock()
        if not re.fullmatch("[0-9]{1,15}", timestamp) or abs(int(timestamp) / 1000 - now) > self._max_skew:
            return "Timestamp out of range"
        # Not by the client's own function, so that an error in its signature shows.
        sent = path + query + method + timestamp + nonce
        expected = hashlib.sha256(self._secret_key.encode() + sent.encode("latin-1")).hexdigest()
        if not hmac.compare_digest(given.encode(), expected.encode()):
            return "Wrong hash"
        return None if nonce and self._is_new(nonce, now) else "Nonce already used"

    def _is_new(self, nonce: str, now: float) -> bool:
        with self._lock:
            # A nonce is kept for as long as its timestamp can be valid; the oldest come first.
            while self._nonces and next(iter(self._nonces.values())) < now - 2 * self._max_skew:
                del self._nonces[next(iter(self._nonces))]
            known = nonce in self._nonces
            self._nonces.setdefault(nonce, now)
        return not known


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close() waits for them
    request_queue_size = 128
    stand_in: ZephrStandIn

    def __init__(self, *args: Any) -> None:
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(*args)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        welcome = self.stand_in.welcome
        return (welcome(connection) if welcome else connection), address

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def break_connections(self) -> None:
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that disconnects early is not an error.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        stand_in = self.server.stand_in
        # Not `self.path`: http.server merges several slashes at its beginning into one.
        target = self.requestline.split(" ")[1]
        stand_in.requests.append(
            SeenRequest(self.command, target, dict(self.headers.items()), self.client_address)
        )
        if stand_in.fault is not None:
            self.close_connection = True
            stand_in.fault(self)
            return
        status, content = stand_in.answer(self.command, target, self.headers.get("Authorization", ""))
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self.server.stand_in.clock() if timestamp is None else timestamp)

    def log_message(self, *args: Any) -> None:
        """Log nothing: a request contains a signature."""


def main() -> None:
    """Run it until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A stand-in for Zephr's Admin API.")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--access-key", required=True)
    parser.add_argument("--secret-key", required=True)
    options = parser.parse_args()
    # Shells make programs in the background ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    stand_in = ZephrStandIn(options.access_key, options.secret_key, port=options.port)
    with contextlib.suppress(KeyboardInterrupt), stand_in:
        lines = [f"Zephr stand-in at {stand_in.base_url}, with the sessions", *stand_in.sessions]
        sys.stdout.write("\n  ".join(lines) + "\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
