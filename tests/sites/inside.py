"""A client inside the site's own process: Django's test client, and commands by `call_command`."""

import base64
import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from .client import Answer, Headers
from .processes import Done, NotRight, Stopped, is_stopping, talking


class Inside:
    """A client inside the site's own process, for a database that no other process sees."""

    def __init__(self, process: "subprocess.Popen[Any]") -> None:
        self._process = process

    def request(self, method: str, path: str, headers: Headers = (), body: bytes | None = None) -> Answer:
        sent = base64.b64encode(body or b"").decode()
        said = self._ask(method=method, path=path, headers=list(headers), body=sent)
        content = base64.b64decode(said["body"])
        return Answer(f"{method} {path}", said["status"], [tuple(one) for one in said["headers"]], content)

    def manage(self, *words: str, stdout: IO[bytes] | None = None, **variables: str) -> Done:
        said = self._ask(words=words, variables=variables)
        return Done(f"call_command{words}", said["code"], said["out"], said["err"])

    def _ask(self, **question: Any) -> dict[str, Any]:
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
def inside(python: Path, site: Path, log: Path) -> Iterator[Inside]:
    """Run the site in a process that answers an `Inside`, until the block ends."""
    with talking([python, Path(__file__).parent / "inside_site.py"], cwd=site, log=log) as process:
        yield Inside(process)
