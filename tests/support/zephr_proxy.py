"""A real HTTP proxy for the tests: tunnels by CONNECT, forwards http, asks for a login, fails on demand."""

import base64
import contextlib
import socket
import socketserver
import threading
from urllib.parse import urlsplit

from .zephr_tls import server_context


class EgressProxy:
    """The proxy on 127.0.0.1; `with EgressProxy() as proxy` starts and stops it.

    `login` is what it asks for, as "user:password". While `fault` is set, it is called with each connection
    after its request was read, and the connection is closed after it. `certificate` (key and certificate,
    as in `zephr_tls`) makes it an https proxy. `seen` has the first line and the headers of each request.
    """

    def __init__(self, login="", certificate=""):
        self.fault = None
        self.seen = []
        self.stopping = threading.Event()
        self._expected = f"Basic {base64.b64encode(login.encode()).decode()}" if login else None
        self._tls = server_context(certificate) if certificate else None

    def __enter__(self):
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,))
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.close_connections()
        self._server.server_close()

    @property
    def address(self):
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self):
        return f"http{'s' if self._tls else ''}://{self.address}"

    def refuses(self, headers):
        return self._expected is not None and headers.get("proxy-authorization") != self._expected


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, *args):
        self.open, self.lock = set(), threading.Lock()
        super().__init__(*args)

    def keep(self, connection):
        with self.lock:
            self.open.add(connection)
        return connection

    def close_connections(self):
        with self.lock:
            for connection in self.open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request, client_address):
        """Say nothing of clients that go away."""


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        proxy, connection = self.server.proxy, self.server.keep(self.request)
        if proxy._tls:
            connection = self.server.keep(proxy._tls.wrap_socket(connection, server_side=True))
        with connection:
            line, headers = _head(connection)
            proxy.seen.append((line, headers))
            if proxy.fault:
                proxy.fault(connection, proxy.stopping)
            elif proxy.refuses(headers):
                connection.sendall(
                    b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n"
                    b'Proxy-Authenticate: Basic realm="x"\r\nConnection: close\r\n\r\n'
                )
            else:
                self.lead(connection, line, headers)

    def lead(self, connection, line, headers):
        method, target, _ = line.split(" ")
        place = urlsplit(f"//{target}" if method == "CONNECT" else target)
        with self.server.keep(socket.create_connection((place.hostname, place.port))) as beyond:
            if method == "CONNECT":
                connection.sendall(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
            else:
                lines = [f"{method} {place.path} HTTP/1.1", "Connection: close"]
                own = ("connection", "proxy-authorization", "proxy-connection")
                lines += [f"{name.title()}: {value}" for name, value in headers.items() if name not in own]
                beyond.sendall("\r\n".join([*lines, "", ""]).encode())
            back = threading.Thread(target=_relay, args=(beyond, connection))
            back.start()
            _relay(connection, beyond)
            back.join()


def _head(connection):
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            raise ConnectionError
        data += byte
    line, *lines = data.decode().strip().split("\r\n")
    return line, {name.lower(): value for name, _, value in (row.partition(": ") for row in lines)}


def _relay(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
