"""A client inside the site's own process: Django's test client, and commands by `call_command`."""

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from .client import Answer, Headers
from .processes import Done
from .talk import Talk, talk


class Inside:
    """A client inside the site's own process, for a database that no other process sees."""

    def __init__(self, process: Talk) -> None:
        self._process = process

    def request(self, method: str, path: str, headers: Headers = (), body: bytes | None = None) -> Answer:
        sent = base64.b64encode(body or b"").decode()
        said = self._process.ask(method=method, path=path, headers=list(headers), body=sent)
        content = base64.b64decode(said["body"])
        return Answer(f"{method} {path}", said["status"], [tuple(one) for one in said["headers"]], content)

    def manage(self, *words: str, stdout: IO[bytes] | None = None, **variables: str) -> Done:
        return Done(f"call_command{words}", **self._process.ask(words=words, variables=variables))


@contextlib.contextmanager
def inside(python: Path, site: Path, log: Path) -> Iterator[Inside]:
    """Run the site in a process that answers an `Inside`, until the block ends."""
    with talk(python, "inside_site.py", site, log) as process:
        yield Inside(process)
