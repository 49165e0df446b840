"""Real PostgreSQL servers to stop, freeze, replicate and promote.

with primary() as server, Proxy(server.address) as front:
    standby = server.replica()
    standby.detach()                # it lags from here on
    standby.promote()
    front.lead_to(standby.address)  # front.url(url) is now the other one
"""

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg

from ..conftest import unavailable
from . import servers
from .servers import PATIENCE, free_port, tail


class Server:
    """A private PostgreSQL with the durability it has by default. What `stack` holds ends with it."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        # Not in pytest's own directory, which the other user must not enter.
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="postgres-"))
        self.port = free_port()
        self._binaries, self._directory, self._user = _binaries(), Path(directory), _user()
        self._data, self._password = self._directory / "data", secrets.token_urlsafe()
        self._stack, self._followed = stack, ""
        stack.callback(self._end)

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

    def ensure_running(self) -> "Server":
        """Return it running, even if the test before has failed without starting it again."""
        if not self.is_running():
            self.start()
        return self

    def environment(self) -> dict[str, str]:
        """Return what lets PostgreSQL's own programs find it, and themselves be found."""
        login = {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": "tests",
            "PGPASSWORD": self._password,
        }
        return {**login, "PATH": f"{self._binaries}:{os.environ['PATH']}"}

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.port

    def run(self, sql: str, database: str = "postgres") -> Any:
        """Run a statement, while `read_only` too; return its first row, None where it has none."""
        return self._run_with(sql, database, "-c default_transaction_read_only=off")

    def _run_with(self, sql: str, database: str = "postgres", options: str = "") -> Any:
        with psycopg.connect(self.url(database), autocommit=True, options=options) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchone() if cursor.description else None

    def replica(self, name: str = "") -> "Server":
        """Return a standby that follows this server, which knows it by the name."""
        standby = Server(self._stack)
        standby._password = self._password
        if standby._user:
            shutil.chown(standby._directory, "postgres")
        source = ["--dbname", self.url("postgres"), "--checkpoint", "fast", "--no-sync"]
        standby._run("pg_basebackup", "--write-recovery-conf", *source)
        with (standby._data / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            # The last line of a name counts.
            configuration.write(f"port = {standby.port}\ncluster_name = '{name}'\n")
        standby.start()
        return standby

    def caught_up(self, primary: "Server") -> None:
        """Return once this standby has replayed all that is committed on its primary by now."""
        [position] = primary.run("SELECT pg_current_wal_lsn()")
        self._wait_for(f"SELECT pg_last_wal_replay_lsn() >= '{position}'")

    def pause(self) -> None:
        """Let a standby lag: it receives what its primary commits, and does not show it."""
        self.run("SELECT pg_wal_replay_pause()")
        self._wait_for("SELECT pg_get_wal_replay_pause_state() = 'paused'")

    def resume(self) -> None:
        """Let a standby show what it has received."""
        self.run("SELECT pg_wal_replay_resume()")

    def detach(self) -> None:
        """Let a standby lag: what its primary commits from now on does not arrive."""
        [self._followed] = self.run("SHOW primary_conninfo")
        self.change("primary_conninfo", "")
        self._wait_for("SELECT count(*) = 0 FROM pg_stat_wal_receiver")

    def attach(self) -> None:
        """Let a standby that was detached follow its primary again."""
        self.change("primary_conninfo", self._followed)

    def received(self) -> int:
        """Return how far a standby has come in what its primary has written, in bytes."""
        return int(self.run("SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')")[0])

    def promote(self) -> None:
        """Let a standby take writes; return once it does."""
        self._run("pg_ctl", "--wait", "--timeout", "60", "promote")
        self._wait_for("SELECT NOT pg_is_in_recovery()")

    def read_only(self, *, on: bool = True) -> None:
        """Refuse writes with SQLSTATE 25006, also over open connections; `on=False` takes them again."""
        self.change("default_transaction_read_only", "on" if on else "off")

    def change(self, name: str, value: str) -> None:
        """Change a setting of the server, for connections that are open, too; return once it holds."""
        quoted = "'{}'".format(value.replace("'", "''"))
        self.run(f"ALTER SYSTEM SET {name} = {quoted}")
        self.run("SELECT pg_reload_conf()")
        self._wait_for(f"SELECT current_setting('{name}') = {quoted}")

    def signal(self, number: int) -> None:
        """Send a signal to all its processes: after SIGSTOP, the kernel acknowledges and nobody answers."""
        parent = int((self._data / "postmaster.pid").read_text(encoding="ascii").split()[0])
        # The parent first: it starts no others then.
        for process in (parent, *_children_of(parent)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def _wait_for(self, question: str) -> None:
        _until(lambda: self._run_with(question) == (True,), question)

    def _end(self) -> None:
        if self.is_running():
            self.stop("immediate")

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


def _binaries() -> Path:
    if found := shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    installed = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")]
    if not installed:
        unavailable("No PostgreSQL server is installed.")
    return max(installed, key=lambda path: int(path.parent.name))


def _user() -> list[str]:
    # PostgreSQL refuses to run as root.
    if os.geteuid() != 0:
        return []
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        unavailable("PostgreSQL does not run as root, and there is no user postgres.")
    return ["runuser", "-u", "postgres", "--"]


def _children_of(parent: int) -> list[int]:
    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii")
    return [int(process) for process in listed.split()]


def _until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@contextlib.contextmanager
def primary() -> Iterator[Server]:
    """Run a new server; when the block ends, it and its replicas are stopped and their files gone."""
    with contextlib.ExitStack() as stack:
        server = Server(stack)
        server.create()
        yield server


class Migrated(NamedTuple):
    """A server, the name of a database with the site's tables, and a key for everything in it."""

    server: Server
    template: str
    key: str

    def new_database(self) -> str:
        """Create a database with the tables and the key; give its URL."""
        return self.server.new_database(self.template)


@contextlib.contextmanager
def migrated() -> Iterator[Migrated]:
    """Run a new server with the site's tables, as `primary` does."""
    with primary() as server:
        url = server.new_database()
        yield Migrated(server, urlsplit(url).path[1:], servers.prepare(servers.example_site(url)))
