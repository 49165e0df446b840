"""Another process of the site, which starts, reads and ends sessions as its web processes do."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from .servers import ROOT, example_site

_CODE = """
import sys
import django

django.setup()
from jay_sessions import sessions
from jay_sessions.exceptions import NoSession, StoreUnavailable

for line in sys.stdin:
    verb, text = line.split()
    try:
        if verb == "start":
            said = sessions.start(text).encoded
        elif verb == "end":
            said = sessions.end([text])
        else:
            said = "valid" if sessions.read([text]) else ""
    except NoSession:
        said = "not valid"
    except StoreUnavailable:
        said = "unavailable"
    django.db.close_old_connections()
    print(said, flush=True)
"""


class Process:
    """A process that does what it is told, one thing after the other."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def start(self) -> str:
        """Start a session; return its token."""
        return self._told("start", "netflix-de:s01e01")

    def read(self, token: str) -> str:
        """Return "valid", "not valid" or "unavailable"."""
        return self._told("read", token)

    def end(self, token: str) -> str:
        """End a session; return how many were open, or "unavailable"."""
        return self._told("end", token)

    def _told(self, verb: str, text: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{verb} {text}\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline().strip()
        assert said, "The process has ended."
        return said


@contextlib.contextmanager
def other_process(database_url: str, **variables: str) -> Iterator[Process]:
    """Run a process of the example site until the block ends."""
    environment = {**example_site(database_url), **variables}
    with subprocess.Popen(
        [sys.executable, "-c", _CODE],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Process(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)
