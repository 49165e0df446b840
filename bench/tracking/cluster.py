"""A PostgreSQL cluster for one run, with the durability that PostgreSQL has by default."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from . import environment, machine

SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "max_connections": "300",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
}
OWNER = "postgres"
"""The user as whom it runs where the bench itself runs as root, which PostgreSQL refuses."""


class Cluster:
    """A running cluster on 127.0.0.1; everybody on this machine is let in."""

    def __init__(self, programs: Path, directory: Path, port: int) -> None:
        self.programs, self.directory, self.port = programs, directory, port

    def url(self, database: str) -> str:
        return f"postgresql://bench@127.0.0.1:{self.port}/{database}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement; returns its rows, a line each, and values between `|`."""
        command = [
            self.programs / "psql",
            "-XqAt",
            "-v",
            "ON_ERROR_STOP=1",
            self.url(database),
            "-c",
            statement,
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def create(self, database: str) -> str:
        """Make an empty database and return its URL."""
        self.sql(f"CREATE DATABASE {database}")
        return self.url(database)

    def pids(self) -> list[int]:
        first = (self.directory / "postmaster.pid").read_text().split()[0]
        return machine.family(int(first))


@contextlib.contextmanager
def running() -> Iterator[Cluster]:
    """Make a cluster, and remove it when the block ends."""
    programs = environment.postgres_programs()
    assert programs is not None
    directory = Path(tempfile.mkdtemp(prefix="jay-bench-"))
    cluster = Cluster(programs, directory / "data", free_port())
    try:
        if os.geteuid() == 0:
            owner = pwd.getpwnam(OWNER)
            os.chown(directory, owner.pw_uid, owner.pw_gid)
        initdb = [*(programs / "initdb", "-D", cluster.directory, "-U", "bench", "-A", "trust")]
        _as_owner(*initdb, "-E", "UTF8", "--locale", "C")
        options = " ".join(f"-c {name}='{value}'" for name, value in SETTINGS.items())
        pg_ctl = (programs / "pg_ctl", "-D", cluster.directory, "-w")
        _as_owner(*pg_ctl, "-l", directory / "log", "-o", f"-p {cluster.port} {options}", "start")
        try:
            yield cluster
        finally:
            _as_owner(*pg_ctl, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _as_owner(*command: str | Path) -> None:
    as_owner = ["runuser", "-u", OWNER, "--"] if os.geteuid() == 0 else []
    words = [*as_owner, *map(str, command)]
    # Not into a pipe: the server would keep it open after pg_ctl has ended.
    with tempfile.TemporaryFile("w+") as said:
        if subprocess.run(words, cwd="/", stdout=said, stderr=said, check=False).returncode:
            said.seek(0)
            raise RuntimeError(f"{command[0]} failed:\n{said.read()}")
