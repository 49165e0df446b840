"""The example site under a real web server, with a database of its own.

An SQLite file; where `DATABASE_URL` names a PostgreSQL server, a database on that.
"""

import atexit
import contextlib
import dataclasses
import functools
import http.client
import os
import random
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

ROOT = Path(__file__).parent.parent.parent

PATH = "/playouts/netflix-de/tracking/session"
PATIENCE = 100
"""Seconds after which what was waited for will not come any more, on however slow a machine."""

COMMANDS = {
    "granian": [
        "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", "{port}", "--workers", "2",
        "--blocking-threads", "4", "--backpressure", "16384", "--workers-kill-timeout", "5",
        "--log-level", "warning",
        "project.wsgi:application",
    ],
    "granian, ASGI": [
        "granian", "--interface", "asginl", "--loop", "uvloop", "--host", "127.0.0.1", "--port", "{port}",
        "--workers", "2", "--backpressure", "16384", "--workers-kill-timeout", "5", "--log-level", "warning",
        "project.asgi:application",
    ],
    "gunicorn": [
        "gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "2", "--threads", "4",
        "--log-level", "warning", "project.wsgi:application",
    ],
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Server:
    """A running site: where it listens, a key for everything, its database; its first process, if known.

    `name` is that of its command in `COMMANDS`.
    """

    port: int
    key: str
    database_url: str
    pid: int = 0
    name: str = ""

    def rows(self) -> int:
        url = self.database_url
        is_file = url.startswith("sqlite")
        connection = sqlite3.connect(urlsplit(url).path) if is_file else psycopg.connect(url)
        with contextlib.closing(connection):
            return connection.execute("SELECT count(*) FROM jay_tracking_session").fetchone()[0]

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def call(
        self, method: str, path: str, key: str | None = None, body: str | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage]:
        """Send a request, with this site's key if no other is given; return the answer's status and headers.

        A header's name has underscores for hyphens.
        """
        sent = {"X-API-Key": self.key if key is None else key}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers

    def raw(self, request: bytes, *, half_close: bool = False) -> bytes:
        """Send bytes as they are, and no more if `half_close`; return all until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(request)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
            return answer


def example_site(database_url: str) -> dict[str, str]:
    """The environment of the example site as somebody runs it, not with the settings of the tests."""
    return {
        "SECRET_KEY": secrets.token_urlsafe(64),
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "DATABASE_URL": database_url,
    }


def manage(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def prepare(environment: dict[str, str]) -> str:
    """Create a site's tables; return the text of an API key for everything."""
    manage(environment, "migrate", "--verbosity", "0")
    scopes = [word for scope in ("tracking", "analytics", "zephr") for word in ("--scope", scope)]
    return manage(environment, "jay_create_api_key", "test", *scopes)


@contextlib.contextmanager
def new_database(directory: Path, template: str = "template1") -> Iterator[str]:
    """Give the URL of a new database, empty or as the template is, that goes away with the block."""
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        yield f"sqlite:///{directory / 'site.sqlite3'}"
        return
    name = f"jay_sessions_{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


_until_the_end = contextlib.ExitStack()
atexit.register(_until_the_end.close)


@functools.cache
def _first_database() -> tuple[str, str]:
    """Make a database with the tables and a key, which others are copies of; return its URL and the key."""
    directory = _until_the_end.enter_context(tempfile.TemporaryDirectory(prefix="first-database-"))
    url = _until_the_end.enter_context(new_database(Path(directory)))
    return url, prepare(example_site(url))


@contextlib.contextmanager
def migrated_database(directory: Path) -> Iterator[tuple[str, str]]:
    """Give the URL of a database with the tables that goes away with the block, and a key for everything."""
    first, key = _first_database()
    with new_database(directory, urlsplit(first).path[1:]) as url:
        if url.startswith("sqlite"):
            shutil.copyfile(urlsplit(first).path, urlsplit(url).path)
        yield url, key


@contextlib.contextmanager
def running(name: str, directory: Path, **variables: str) -> Iterator[Server]:
    """Serve the site with a new database and a key until the block ends."""
    with migrated_database(directory) as (database_url, key):
        environment = {**example_site(database_url), **variables}
        with _serving(name, directory, environment, key) as server:
            yield server


@contextlib.contextmanager
def _serving(name: str, directory: Path, environment: dict[str, str], key: str) -> Iterator[Server]:
    port = free_port()
    command = [sys.executable, "-m", *(word.format(port=port) for word in COMMANDS[name])]
    log = (directory / "server.log").open("wb")
    with log, subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log) as process:
        try:
            server = Server(port, key, environment["DATABASE_URL"], process.pid, name)
            wait_for(server, process)
            yield server
        finally:
            process.terminate()
            process.wait(20)


def free_port() -> int:
    """Return a free port that no outgoing connection is given.

    A client of a closed port among those may be given that very port; then it talks to itself, and the server
    that comes back finds its port taken.
    """
    # Not `random` itself: pytest-randomly gives it the same seed in each process, at each test.
    for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("No port is free.")


def tail(path: Path) -> str:
    """Return the end of a log; nothing where there is none."""
    return path.read_text(encoding="utf-8", errors="replace")[-4_000:] if path.exists() else ""


def wait_for(server: Server, process: "subprocess.Popen[bytes]") -> None:
    """Return once the site answers; raises AssertionError where it does not, or ended instead."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), contextlib.closing(server.connect()) as connection:
            connection.request("GET", "/")
            connection.getresponse().read()
            return
        time.sleep(0.1)
    raise AssertionError("The server did not start.")
