"""A process inside a site's environment that answers each line of JSON by another."""

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .processes import NotRight, Stopped, is_stopping, talking


class Talk:
    """Asks such a process."""

    def __init__(self, process: "subprocess.Popen[Any]") -> None:
        self._process = process
        self._lock = threading.Lock()

    def ask(self, **question: Any) -> dict[str, Any]:
        """Return its answer. Raises NotRight if there is none, Stopped at a stop."""
        with self._lock:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if is_stopping():
            raise Stopped
        if not line:
            raise NotRight(f"The site's process ended instead of answering {question}.")
        said: dict[str, Any] = json.loads(line)
        return said


@contextlib.contextmanager
def talk(python: Path, script: str, site: Path, log: Path) -> Iterator[Talk]:
    """Run a script of this folder in the site, until the block ends."""
    with talking([python, Path(__file__).parent / script], cwd=site, log=log) as process:
        yield Talk(process)
