"""The real parts: the site under Granian, Redis, and what puts load on them."""

import contextlib
import dataclasses
import http.client
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from project.zephr_stand_in import ZephrStandIn
from tests.support import servers

ACCESS_KEY, SECRET_KEY = "bench", "bench-secret"
CONNECTIONS = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Site:
    """A running site: its port, a key for it, and the process that started its workers."""

    port: int
    key: str
    pid: int


@contextlib.contextmanager
def serving(zephr: ZephrStandIn, *, workers: int, threads: int, redis_url: str = "") -> Iterator[Site]:
    """Serve the site with an empty SQLite until the block ends; without Redis, a worker caches for itself."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        environment = {
            **servers.example_site(f"sqlite:///{directory / 'site.sqlite3'}"),
            "DJANGO_SETTINGS_MODULE": "bench.zephr.settings",
            "REDIS_URL": redis_url,
            "LOG_LEVEL": "ERROR",
            "ZEPHR_BASE_URL": zephr.base_url,
            "ZEPHR_ACCESS_KEY": ACCESS_KEY,
            "ZEPHR_SECRET_KEY": SECRET_KEY,
        }
        servers.manage(environment, "migrate", "--verbosity", "0")
        key = servers.manage(environment, "jay_create_api_key", "bench", "--scope", "zephr")
        port = _free_port()
        command = [
            *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"),
            *("--port", str(port), "--workers", str(workers), "--blocking-threads", str(threads)),
            *("--backpressure", "16384"),
            *("--workers-kill-timeout", "5", "--log-level", "warning", "project.wsgi:application"),
        ]
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=servers.ROOT, env=environment, stdout=log, stderr=log)
            try:
                servers.wait_for(servers.Server(port, key, ""), process)
                yield Site(port, key, process.pid)
            finally:
                process.terminate()
                process.wait(20)


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """Give the URL of a Redis of our own, empty where there is none on this machine."""
    program = shutil.which("redis-server")
    if program is None:
        yield ""
        return
    port = _free_port()
    command = [program, "--port", str(port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=tempfile.gettempdir())
    try:
        _wait_for(port)
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def statuses(site: Site, paths: Sequence[str], *, threads: int) -> list[int]:
    """Ask for all paths, so many at the same time, each thread over one connection; returns the statuses."""
    together = threading.Barrier(threads)

    def ask(mine: Sequence[str]) -> list[int]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)) as connection:
            connection.connect()
            together.wait()
            return [_ask(connection, path, site.key) for path in mine]

    with ThreadPoolExecutor(threads) as pool:
        parts = pool.map(ask, [paths[number::threads] for number in range(threads)])
        return [status for part in parts for status in part]


def rate(site: Site, path: str, seconds: float) -> float:
    """Return the answers a second over `CONNECTIONS` connections. AssertionError: not all are 200."""
    return _rate_by_wrk(site, path, seconds) if shutil.which("wrk") else _rate_by_python(site, path, seconds)


def _rate_by_wrk(site: Site, path: str, seconds: float) -> float:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-H", f"X-API-Key: {site.key}"]
    command.append(f"http://127.0.0.1:{site.port}{path}")
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"Requests/sec: +([0-9.]+)", said)
    assert found, said
    assert "Non-2xx" not in said, said
    return float(found[1])


def _rate_by_python(site: Site, path: str, seconds: float) -> float:
    end = time.monotonic() + seconds

    def ask(_: int) -> int:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)) as connection:
            count = 0
            while time.monotonic() < end:
                assert _ask(connection, path, site.key) == 200
                count += 1
            return count

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return sum(pool.map(ask, range(CONNECTIONS))) / seconds


def _ask(connection: http.client.HTTPConnection, path: str, key: str) -> int:
    connection.request("GET", path, headers={"X-API-Key": key})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise AssertionError("Redis did not start.")
