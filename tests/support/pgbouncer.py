"""A real PgBouncer in front of the tests' PostgreSQL: each transaction gets any of its few connections."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg

from ..conftest import unavailable
from . import servers

SERVER_CONNECTIONS = 3

CONFIG = """
[databases]
* = {server}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
; Each transaction on another connection than the one before, and not only where several clients are busy.
min_pool_size = {size}
server_round_robin = 1
"""


def place_of(url: str) -> dict[str, Any]:
    """Return a PostgreSQL's URL as Django's documentation writes `DATABASES`: these names and no other."""
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.strip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname,
        "PORT": str(parts.port or 5432),
    }


@contextlib.contextmanager
def pgbouncer(url: str, directory: Path) -> Iterator[dict[str, Any]]:
    """Give the entry of `DATABASES` for a PostgreSQL's database as it is reached through a PgBouncer."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        unavailable("PgBouncer is not installed.")
    place = place_of(url)
    own_port = servers.free_port()
    config = directory / "pgbouncer.ini"
    parts = [f"{name.lower()}={place[name]}" for name in ("HOST", "PORT", "USER", "PASSWORD") if place[name]]
    config.write_text(CONFIG.format(server=" ".join(parts), own_port=own_port, size=SERVER_CONNECTIONS))
    # It refuses to run as root.
    as_somebody = ["-u", "postgres"] if os.getuid() == 0 else []
    with (directory / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen([program, *as_somebody, config], stdout=log, stderr=log)
        try:
            behind = {**place, "HOST": "127.0.0.1", "PORT": str(own_port)}
            _wait_for(behind, process)
            yield behind
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(place: dict[str, Any], process: "subprocess.Popen[bytes]") -> None:
    names = {"host": "HOST", "port": "PORT", "user": "USER", "dbname": "NAME"}
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(**{ours: place[name] for ours, name in names.items()}).close()
            return
        time.sleep(0.05)
    raise AssertionError("PgBouncer did not start.")
