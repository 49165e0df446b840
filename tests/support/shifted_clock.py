"""Processes whose wall clock is off by some seconds, which may change while they run.

Give `clock.environment()` to any Python that a test starts: `time.time`, `datetime.now` and the like are
shifted in it and in what it forks, `time.monotonic` is not; neither is any other process, such as
PostgreSQL. `clock.shift(seconds)` sets by how much, at once and for all of them.

    with shifted_clock(3600) as clock:
        servers.manage({**environment, **clock.environment()}, "jay_purge_sessions")
        clock.shift(0)
"""

import contextlib
import mmap
import os
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

_NAME = "TESTS_CLOCK"
_SECONDS = struct.Struct("d")

# Python runs a `sitecustomize` that it finds before everything else.
_CUSTOMIZE = """
import sys
sys.path.append({root!r})
from tests.support.shifted_clock import install
install()
"""


class Clock:
    """How far the clock of some processes is off."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.joinpath("sitecustomize.py").write_text(
            _CUSTOMIZE.format(root=str(_ROOT)), encoding="utf-8"
        )
        self._file = directory / "seconds"

    def shift(self, seconds: float) -> None:
        """Let the clock be so many seconds ahead of the real one; below 0 behind it."""
        if not self._file.exists():
            self._file.write_bytes(_SECONDS.pack(seconds))
        with self._file.open("r+b") as file:
            file.write(_SECONDS.pack(seconds))

    def environment(self) -> dict[str, str]:
        """Return the variables for a process to start with."""
        path = os.pathsep.join(filter(None, [str(self._directory), os.environ.get("PYTHONPATH")]))
        return {"PYTHONPATH": path, _NAME: str(self._file)}


@contextlib.contextmanager
def shifted_clock(seconds: float = 0) -> Iterator[Clock]:
    """Give a clock that is so many seconds ahead."""
    with tempfile.TemporaryDirectory(prefix="clock-") as directory:
        clock = Clock(Path(directory))
        clock.shift(seconds)
        yield clock


def install() -> None:
    """Shift this process's clock; for `sitecustomize`."""
    # The C functions themselves are replaced, so that whoever imported them before has the new ones.
    import _time_machine
    import time_machine

    with Path(os.environ[_NAME]).open("rb") as file:
        # Shared with the test and with what is forked.
        seconds = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    class Shifted(time_machine.Traveller):
        def time_ns(self) -> int:
            [shift] = _SECONDS.unpack(seconds)
            return int(_time_machine.original_time_ns() + shift * time_machine.NANOSECONDS_PER_SECOND)

    time_machine.travel(0).start()
    time_machine.traveller_stack[:] = [Shifted(0, None, tick=True)]


_ROOT = Path(__file__).parent.parent.parent
