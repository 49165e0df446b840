"""What the durability tests need: a PostgreSQL of their own, a site that can be killed, and load.

A killed process leaves to the kernel what it has written, so no test here can tell whether it reached the
disk. That takes a loss of power; the tests only make sure that PostgreSQL was told to wait for the disk.
"""

import collections
import contextlib
import dataclasses
import http.client
import json
import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg

from . import servers
from .conftest import unavailable

COMMANDS = {**servers.COMMANDS, "preloading": [*servers.COMMANDS["gunicorn"], "--preload"]}

PATH = "/playouts/netflix-de/tracking/session"
PATIENCE = 100
"""Seconds after which what was waited for will not come any more, on however slow a machine."""


def free_port() -> int:
    """Return a free port that no outgoing connection is given.

    Who connects to a closed port that is among those may be given that very port, and then talks to
    itself, while the server that was to come back finds its port taken.
    """
    for port in random.sample(range(20_000, 32_000), 100):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("No port is free.")


class Cluster:
    """A private PostgreSQL with the durability it has by default."""

    def __init__(self, binaries: Path, directory: Path, user: list[str]) -> None:
        self.port = free_port()
        self._binaries, self._directory, self._user = binaries, directory, user
        self._data, self._password = directory / "data", secrets.token_urlsafe()

    def url(self, name: str) -> str:
        return f"postgresql://tests:{self._password}@127.0.0.1:{self.port}/{name}"

    def create(self) -> None:
        secret = self._directory / "password"
        secret.write_text(self._password, encoding="ascii")
        if self._user:
            shutil.chown(self._directory, "postgres")
            shutil.chown(secret, "postgres")
        login = ["--username", "tests", "--pwfile", str(secret), "--auth", "scram-sha-256"]
        self._run("initdb", "--no-sync", "--encoding", "UTF8", "--locale", "C", *login)
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n"
            )
        self.start()
        with psycopg.connect(self.url("postgres")) as connection:
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                assert connection.execute(f"SHOW {name}").fetchone() == ("on",)

    def start(self) -> None:
        """Return once it accepts connections."""
        self._run("pg_ctl", "--wait", "--timeout", "60", "--log", str(self._directory / "log"), "start")

    def stop(self, mode: str) -> None:
        """Return once it is gone."""
        self._run("pg_ctl", "--wait", "--timeout", "60", "--mode", mode, "stop")

    def is_running(self) -> bool:
        return (self._data / "postmaster.pid").exists()

    def new_database(self, template: str = "template1") -> str:
        """Create a database; give its URL."""
        name = f"site_{secrets.token_hex(6)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._user, str(self._binaries / program), "--pgdata", str(self._data), *arguments]
        # In a directory that the other user may enter as well.
        done = subprocess.run(
            command,
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}{done.stderr}{tail(self._directory / 'log')}"


@contextlib.contextmanager
def postgres() -> Iterator[Cluster]:
    """Run a private PostgreSQL; at the end of the block it is stopped and its files are gone."""
    binaries, user = _postgres_binaries(), _postgres_user()
    # Not in pytest's own directory, which the other user must not enter.
    with tempfile.TemporaryDirectory(prefix="durability-") as directory:
        cluster = Cluster(binaries, Path(directory), user)
        try:
            cluster.create()
            yield cluster
        finally:
            if cluster.is_running():
                cluster.stop("immediate")


def _postgres_binaries() -> Path:
    if found := shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    installed = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")]
    if not installed:
        unavailable("No PostgreSQL server is installed.")
    return max(installed, key=lambda path: int(path.parent.name))


def _postgres_user() -> list[str]:
    # PostgreSQL refuses to run as root.
    if os.geteuid() != 0:
        return []
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        unavailable("PostgreSQL does not run as root, and there is no user postgres.")
    return ["runuser", "-u", "postgres", "--"]


def prepare(database_url: str) -> str:
    """Create the site's tables; give the text of an API key."""
    environment = servers.example_site(database_url)
    servers.manage(environment, "migrate", "--verbosity", "0")
    return servers.manage(environment, "jay_create_api_key", "test")


@dataclasses.dataclass(frozen=True)
class Variant:
    """How the site differs from the example.

    In the settings of its database, in a receiver that raises, in its recorder, in its server.
    """

    database: dict[str, Any] = dataclasses.field(default_factory=dict)
    receiver_raises: bool = False
    recorder: str = "direct"
    server: str = "granian"

    def environment(self) -> dict[str, str]:
        if self == Variant():
            return {}
        return {
            "DJANGO_SETTINGS_MODULE": "tests.durability_settings",
            "DURABILITY_DATABASE": json.dumps(self.database),
            "DURABILITY_RECEIVER": "raises" if self.receiver_raises else "",
            "JAY_RECORDER": self.recorder,
        }


class Site:
    """The example site under a web server, two workers, in a process group of its own."""

    def __init__(self, directory: Path, database_url: str, key: str, variant: Variant) -> None:
        self.server = servers.Server(free_port(), key, database_url)
        self._environment = {**servers.example_site(database_url), **variant.environment()}
        self._command = COMMANDS[variant.server]
        self._log = directory / "site.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = (word.format(port=self.server.port) for word in self._command)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=servers.ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            servers.wait_for(self.server, self._process)
        except AssertionError:
            raise AssertionError(f"The site did not start.\n{self.log()}") from None

    def kill(self) -> None:
        """Kill all its processes at once; return when nobody listens any more."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE)
        self._process = None
        # The workers have no parent any more that could be asked, but they share the port.
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.server.port), timeout=5).close()
            except ConnectionRefusedError:
                return
            except OSError:
                pass
            time.sleep(0.01)
        raise AssertionError("The site was killed and still listens.")

    def log(self) -> str:
        return tail(self._log)


@contextlib.contextmanager
def site(database_url: str, key: str, variant: Variant | None = None) -> Iterator[Site]:
    """Serve the site; when the block ends nothing of it is left, however it ends."""
    with tempfile.TemporaryDirectory(prefix="durability-") as directory:
        running = Site(Path(directory), database_url, key, variant or Variant())
        try:
            running.start()
            yield running
        finally:
            running.kill()


def tail(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")[-4_000:] if path.exists() else ""


@dataclasses.dataclass(frozen=True, slots=True)
class Attempt:
    """A POST and what became of it.

    `acknowledged` by a 200, `refused` in the contract's way, `cut off` without a whole answer, or
    `unreached` because nobody listened; every other answer is `wrong`.
    """

    user_id: str
    kind: str
    sent: float
    answered: float
    session_id: uuid.UUID | None = None
    answer: str = ""


class Load:
    """Clients that POST over connections they keep, each again as soon as it is answered.

    Each POST names a user of its own, so that a row can be told from every other.
    """

    def __init__(self, server: servers.Server, clients: int = 8) -> None:
        self.attempts: list[Attempt] = []
        self.counts: collections.Counter[str] = collections.Counter()
        self.name = secrets.token_hex(4)
        self.server, self._ended, self._came = server, threading.Event(), threading.Condition()
        self._threads = [
            threading.Thread(target=self._client, args=(f"{self.name}-{number}",))
            for number in range(clients)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads), "A client was never answered."

    def wait_for(self, kind: str, more: int) -> None:
        """Return once `more` further attempts have ended like this."""
        with self._came:
            goal = self.counts[kind] + more
            came = self._came.wait_for(
                lambda: self.counts[kind] >= goal or self.counts["wrong"], timeout=PATIENCE
            )
            assert not self.counts["wrong"], self.of("wrong")[0]
            assert came, f"Not {goal} {kind} so far: {dict(self.counts)}"

    def of(self, kind: str) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.kind == kind]

    def _client(self, name: str) -> None:
        connection, number = self.server.connect(), 0
        with contextlib.closing(connection):
            while not self._ended.is_set():
                number += 1
                attempt = self._post(connection, f"{name}-{number}")
                with self._came:
                    self.attempts.append(attempt)
                    self.counts[attempt.kind] += 1
                    self._came.notify_all()
                if attempt.kind in ("unreached", "cut off"):
                    connection.close()
                    # Leave the processor to the site that is starting.
                    self._ended.wait(0.05)

    def _post(self, connection: http.client.HTTPConnection, user_id: str) -> Attempt:
        sent = time.monotonic()

        def ended(kind: str, **fields: Any) -> Attempt:
            return Attempt(user_id, kind, sent, time.monotonic(), **fields)

        try:
            if connection.sock is None:
                connection.connect()
        except OSError as error:
            return ended("unreached", answer=repr(error))
        try:
            connection.request("POST", f"{PATH}?user_id={user_id}", headers={"X-API-Key": self.server.key})
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            return ended("cut off", answer=repr(error))
        try:
            said = json.loads(body)
            if response.status == 200 and said["data"]["userId"] == user_id:
                return ended("acknowledged", session_id=uuid.UUID(said["data"]["sessionId"]))
            if (
                response.status == 503
                and said["error"]["details"] == "STORE_UNAVAILABLE"
                and int(response.headers["Retry-After"]) > 0
            ):
                return ended("refused")
        except (KeyError, TypeError, ValueError):
            pass
        return ended("wrong", answer=f"{response.status} {body!r} {response.headers.items()}")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What clients were told, beside what is stored."""

    acknowledged: int
    refused: int
    cut_off: int
    unreached: int
    wrong: list[str]
    lost: int
    duplicates: int
    unacknowledged: int
    """Rows whose client was not told of them: the answer got lost after the commit."""

    def __str__(self) -> str:
        return (
            f"{self.acknowledged} acknowledged, {self.refused} refused, {self.cut_off} cut off, "
            f"{self.lost} lost, {self.duplicates} duplicates, "
            f"{self.unacknowledged} stored without an acknowledgement"
        )


def outcome(load: Load) -> Outcome:
    """Compare what the clients of an ended load were told with the rows of the site's database."""
    acknowledged = load.of("acknowledged")
    stored = {row for row in _rows(load.server.database_url) if row[1].startswith(load.name)}
    users = collections.Counter(user_id for _, user_id in stored)
    ids = collections.Counter(attempt.session_id for attempt in acknowledged)
    told = {attempt.user_id for attempt in acknowledged}
    return Outcome(
        acknowledged=len(acknowledged),
        refused=load.counts["refused"],
        cut_off=load.counts["cut off"],
        unreached=load.counts["unreached"],
        wrong=[attempt.answer for attempt in load.of("wrong")],
        lost=sum((attempt.session_id, attempt.user_id) not in stored for attempt in acknowledged),
        duplicates=sum(users.values()) - len(users) + sum(ids.values()) - len(ids),
        unacknowledged=len(set(users) - told),
    )


def _rows(database_url: str) -> set[tuple[uuid.UUID, str]]:
    is_file = database_url.startswith("sqlite")
    connection: Any = (
        sqlite3.connect(urlsplit(database_url).path) if is_file else psycopg.connect(database_url)
    )
    with contextlib.closing(connection):
        found = connection.execute("SELECT session_id, user_id FROM jay_tracking_session").fetchall()
    return {(uuid.UUID(str(session_id)), user_id) for session_id, user_id in found}
