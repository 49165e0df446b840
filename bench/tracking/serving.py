"""One contender's server: its database, its start, its end, and single requests to it."""

import contextlib
import dataclasses
import http.client
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from . import environment
from .cluster import Cluster, free_port
from .contenders import Contender

PATH = "/playouts/netflix-de:0001/tracking/session"


@dataclasses.dataclass(frozen=True, slots=True)
class Prepared:
    """A contender with a database of its own, and a key for it."""

    contender: Contender
    database: str
    key: str


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A running server; `pid` leads the group of its processes."""

    port: int
    key: str
    pid: int

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(
        self, method: str, path: str = PATH, headers: Mapping[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Return status, headers and body; the key is sent unless the headers have one."""
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, headers={"X-API-Key": self.key, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()


def prepare(contender: Contender, cluster: Cluster) -> Prepared:
    """Make the contender's database, with tables and a key."""
    if not contender.setup:
        return Prepared(contender, "", "none")
    database = f"bench_{contender.name}"
    variables = environment.environment(cluster.create(database), dict(contender.variables))
    printed = environment.run(contender.setup, variables, contender.root, *contender.arguments)
    return Prepared(contender, database, printed.split()[-1])


@contextlib.contextmanager
def serving(
    prepared: Prepared, cluster: Cluster, *, workers: int, threads: int, log: Path, **variables: str
) -> Iterator[Server]:
    """Serve until the block ends. RuntimeError: it does not answer, with the end of its log."""
    port = free_port()
    everything = environment.environment(
        cluster.url(prepared.database), {**prepared.contender.variables, **variables}
    )
    command = [environment.PYTHON, "-m", *prepared.contender.command(port, workers, threads)]
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            cwd=prepared.contender.root,
            env=everything,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        server = Server(port, prepared.key, process.pid)
        _wait_for(server, process, log)
        yield server
    finally:
        _end(process)


def _wait_for(server: Server, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            server.ask("GET")
            return
        time.sleep(0.005)
    raise RuntimeError(f"The server did not start:\n{log.read_text()[-2000:]}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        pass
    # What is left of its group, where it left something.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
