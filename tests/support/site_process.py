"""A site under its web server, in a process group of its own, to be killed and started again."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from . import servers
from .servers import PATIENCE, Server, tail


class Site:
    """Where it listens, a key for everything, its database as it reaches it, and what it has logged."""

    def __init__(self, server: Server, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.server = server
        self._port, self._environment, self._log = server.port, environment, log
        self._command = [sys.executable, "-m", *(word.format(port=server.port) for word in command)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return once it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
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
                socket.create_connection(("127.0.0.1", self._port), timeout=5).close()
            except ConnectionRefusedError:
                return
            except OSError:
                pass
            time.sleep(0.01)
        raise AssertionError("The site was killed and still listens.")

    def log(self) -> str:
        return tail(self._log)


@contextlib.contextmanager
def serving(server: Server, command: list[str], environment: dict[str, str]) -> Iterator[Site]:
    """Serve a site; when the block ends nothing of it is left, however it ends.

    `environment` is added to that of the example site; words of the command may have `{port}` in them.
    """
    with tempfile.TemporaryDirectory(prefix="site-") as directory:
        whole = {**servers.example_site(server.database_url), **environment}
        site = Site(server, command, whole, Path(directory) / "site.log")
        try:
            site.start()
            yield site
        finally:
            site.kill()
