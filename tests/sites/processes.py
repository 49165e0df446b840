"""Commands and servers of the sites: each in a session of its own, with a time-out, and none left behind."""

import contextlib
import dataclasses
import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

Words = Sequence[str | Path]

_running: set["subprocess.Popen[Any]"] = set()
_stopping = threading.Event()


class NotRight(Exception):
    """Something is not as it should be; the text says what was done, and what came of it."""


class Stopped(Exception):
    """Everything is being stopped."""


@dataclasses.dataclass(frozen=True)
class Done:
    """What came of a command: its exit code and what it wrote."""

    words: str
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"$ {self.words}\n{self.out[-3000:]}{self.err[-6000:]}\n(ended with {self.code})"

    def right(self) -> "Done":
        """Return it where it ended with 0. Raises NotRight else."""
        if self.code:
            raise NotRight(str(self))
        return self


def environment(**variables: str) -> dict[str, str]:
    """Return the variables of this process that a site may know, and the given ones."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "CC", "CFLAGS")
    own = {
        name: text for name, text in os.environ.items() if name in kept or name.startswith(("PIP_", "UV_"))
    }
    return {**own, **variables}


def run(
    *words: str | Path,
    cwd: Path,
    timeout: float = 60,
    stdout: IO[bytes] | None = None,
    stdin: str = "",
    **variables: str,
) -> Done:
    """Run a command to its end. Raises NotRight where that takes too long, Stopped at a stop."""
    shown = shlex.join([Path(words[0]).name, *map(str, words[1:])])
    process = _start(
        words,
        cwd=cwd,
        env=environment(**variables),
        stdin=subprocess.PIPE,
        stdout=stdout or subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        out, err = process.communicate(stdin.encode(), timeout)
    except subprocess.TimeoutExpired:
        raise NotRight(f"$ {shown}\n(did not end within {timeout} seconds)") from None
    finally:
        end(process)
    if _stopping.is_set():
        raise Stopped
    return Done(
        shown, process.returncode, (out or b"").decode(errors="replace"), err.decode(errors="replace")
    )


@contextlib.contextmanager
def background(words: Words, *, cwd: Path, log: Path, **variables: str) -> Iterator["subprocess.Popen[Any]"]:
    """Run a server until the block ends; what it writes goes to the file `log`."""
    with log.open("ab") as file:
        process = _start(
            words,
            cwd=cwd,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
        try:
            yield process
        finally:
            end(process)


@contextlib.contextmanager
def talking(words: Words, *, cwd: Path, log: Path) -> Iterator["subprocess.Popen[Any]"]:
    """Run a process whose standard input and output are ours to use, until the block ends."""
    with log.open("ab") as file:
        process = _start(
            words, cwd=cwd, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file
        )
        try:
            yield process
        finally:
            end(process)
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()


def _start(words: Words, **options: Any) -> "subprocess.Popen[Any]":
    if _stopping.is_set():
        raise Stopped
    # A session of its own: Ctrl-C reaches this process alone, which ends the others in order.
    process = subprocess.Popen([str(word) for word in words], start_new_session=True, **options)
    _running.add(process)
    return process


def end(process: "subprocess.Popen[Any]") -> None:
    """End a process and all that it started; return when it has ended."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        pass
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
    _running.discard(process)


def stop_all() -> None:
    """Start nothing any more, and end what runs: those who wait for it get Stopped or NotRight."""
    _stopping.set()
    for process in list(_running):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)


def is_stopping() -> bool:
    """Say whether `stop_all` was called."""
    return _stopping.is_set()
