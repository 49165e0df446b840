"""The PostgreSQL server of the run, a database on it for a site, and Debian's PgBouncer in front of one."""

import contextlib
import getpass
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg

from .processes import NotRight, background
from .servers import free_port, listens

Address = Mapping[str, Any]
"""HOST, PORT, USER, PASSWORD and NAME, as in Django's DATABASES."""


def server() -> dict[str, Any]:
    """Return where PostgreSQL is: DATABASE_URL, else the port 5432 of this machine."""
    url = os.environ.get("DATABASE_URL", "")
    parts = urlsplit(url if url.startswith("postgres") else "postgres://127.0.0.1:5432/postgres")
    return {
        "HOST": parts.hostname or "127.0.0.1",
        "PORT": parts.port or 5432,
        "USER": unquote(parts.username or os.environ.get("PGUSER", "") or getpass.getuser()),
        "PASSWORD": unquote(parts.password or os.environ.get("PGPASSWORD", "")),
        "NAME": "postgres",
    }


def connect(address: Address, **options: Any) -> "psycopg.Connection[Any]":
    """Open a connection that commits each statement."""
    return psycopg.connect(
        host=address["HOST"],
        port=address["PORT"],
        user=address["USER"],
        password=address["PASSWORD"],
        dbname=address["NAME"],
        autocommit=True,
        connect_timeout=10,
        **options,
    )


def why_missing() -> str:
    """Say why there is no PostgreSQL; nothing where there is one."""
    try:
        connect(server()).close()
    except psycopg.Error as error:
        return str(error).strip()
    return ""


@contextlib.contextmanager
def database(site: str, *statements: str) -> Iterator[dict[str, Any]]:
    """Make a database in which the statements have been run, and drop it at the end of the block."""
    name = f"jay_{site.replace('-', '_')}_{secrets.token_hex(4)}"
    address = server()
    with contextlib.closing(connect(address)) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        with contextlib.closing(connect({**address, "NAME": name})) as connection:
            for statement in statements:
                connection.execute(statement)
        yield {**address, "NAME": name}
    finally:
        with contextlib.closing(connect(address)) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def pgbouncer_program() -> str | None:
    """Return where PgBouncer's program is: Debian has it where ordinary users do not look."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@contextlib.contextmanager
def pgbouncer(address: Address, room: Path) -> Iterator[dict[str, Any]]:
    """Put PgBouncer before a database: its defaults, but for the pool mode `transaction`."""
    command = pgbouncer_program()
    if command is None:
        raise NotRight("PgBouncer is not there.")
    port = free_port()
    room.mkdir(mode=0o755)
    room.joinpath("pgbouncer.ini").write_text(_configuration(address, port))
    log = room / "log"
    # It refuses to be root.
    user = ["--user", "nobody"] if os.getuid() == 0 else []
    with background([command, *user, "pgbouncer.ini"], cwd=room, log=log) as process:
        deadline = time.monotonic() + 20
        while not listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise NotRight(f"PgBouncer did not start:\n{log.read_text()}")
            time.sleep(0.1)
        yield {**address, "HOST": "127.0.0.1", "PORT": port}


def _configuration(address: Address, port: int) -> str:
    password = f" password={address['PASSWORD']}" if address["PASSWORD"] else ""
    return f"""[databases]
* = host={address["HOST"]} port={address["PORT"]} user={address["USER"]}{password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
"""
