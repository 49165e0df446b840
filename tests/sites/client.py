"""Who asks a site: over HTTP/1.1, header by header; `inside.py` has another way, `http2.py` one more wire."""

import contextlib
import dataclasses
import http.client
import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from .processes import Done, NotRight, Stopped, is_stopping, run
from .talk import Talk

TIMEOUT = 30
"""Seconds for an answer."""

Headers = Sequence[tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer: to what, and its status, its headers as they came, its body."""

    asked: str
    status: int
    headers: Headers
    body: bytes

    def __str__(self) -> str:
        lines = [f"> {self.asked}", str(self.status), *(f"{name}: {text}" for name, text in self.headers)]
        text = self.body.decode(errors="replace")
        if self.get("Content-Type").startswith("text/html"):
            text = re.sub(r"(?s)<(style|script).*?</\1>|<[^>]*>|\s+", " ", text)
        return "\n".join([*lines, re.sub(" +", " ", text)[:1500]])

    def all(self, name: str) -> list[str]:
        """Return the values of a header, in the order in which they came."""
        return [text for key, text in self.headers if key.lower() == name.lower()]

    def get(self, name: str) -> str:
        """Return the last value of a header; nothing where there is none."""
        return (self.all(name) or [""])[-1]

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """Return what the body says in JSON. Raises NotRight where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise NotRight(f"That is no JSON:\n{self}") from None


class Client(Protocol):
    """Sends requests to a site, and runs its commands."""

    def request(self, method: str, path: str, headers: Headers = (), body: bytes | None = None) -> Answer:
        """Send one request; each header is a field of its own. Raises NotRight for no answer."""

    def manage(self, *words: str, stdout: IO[bytes] | None = None, **variables: str) -> Done:
        """Run `manage.py` with these words; what it prints goes to `stdout`, if that is given."""


@dataclasses.dataclass(frozen=True)
class OverHttp:
    """A client of a site that a web server serves on a port.

    `forks` runs commands; without it, each is a process that imports Django anew.
    """

    python: Path
    site: Path
    port: int = 0
    forks: Talk | None = None

    def request(self, method: str, path: str, headers: Headers = (), body: bytes | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        with contextlib.closing(connection):
            try:
                return send(connection, method, path, headers, body)
            except (OSError, http.client.HTTPException) as error:
                if is_stopping():
                    raise Stopped from error
                raise NotRight(f"> {method} {path}\nno answer: {error!r}") from error

    def manage(self, *words: str, stdout: IO[bytes] | None = None, **variables: str) -> Done:
        if self.forks and stdout is None:
            return Done(f"manage.py {shlex.join(words)}", **self.forks.ask(words=words, variables=variables))
        return run(self.python, "manage.py", *words, cwd=self.site, stdout=stdout, **variables)


def send(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: Headers,
    body: bytes | None = None,
) -> Answer:
    """Send a request over a connection, and read its answer to the end."""
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    length = [] if body is None and method in ("GET", "HEAD") else [("Content-Length", str(len(body or b"")))]
    for name, text in [*headers, *length]:
        connection.putheader(name, text)
    connection.endheaders(body)
    answer = connection.getresponse()
    return Answer(f"{method} {path}", answer.status, answer.getheaders(), answer.read())
