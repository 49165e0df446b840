"""Files that are read twice, once to check them: a named file, or a copy of standard input."""

import contextlib
import dataclasses
import errno
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ..analytics.export import Format
from ..analytics.imports.lines import Line, Problem, format_of, read, uncompressed


@dataclasses.dataclass(slots=True)
class Source:
    """A file to import, and its name for messages."""

    name: str
    _raw: BinaryIO
    _file: BinaryIO
    _format: Format
    _lines: int = 0

    def lines(self) -> Iterator[Line | Problem]:
        """Yield its lines from the beginning."""
        self._file.seek(0)
        return read(self._file, self._format)

    def lines_left(self, more: int) -> int:
        """Return about how many lines are left, after `more` lines were read since the last call."""
        self._lines += more
        at, size = self._raw.tell(), os.fstat(self._raw.fileno()).st_size
        return self._lines * (size - at) // at if at else 0


@contextlib.contextmanager
def opened(name: str, form: str | None) -> Iterator[Source]:
    """Open a file, `-` for standard input; without a format, the file decides it. Raises OSError."""
    with contextlib.ExitStack() as stack:
        raw: Any = _standard_input() if name == "-" else stack.enter_context(Path(name).open("rb"))
        if name == "-" or not raw.seekable():
            given, raw = raw, stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(given, raw)
            raw.seek(0)
        file = uncompressed(raw)
        guessed = Format(form) if form else format_of(name, file)
        yield Source("standard input" if name == "-" else name, raw, file, guessed)


def _standard_input() -> Any:
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    # A stream without a byte buffer, such as io.StringIO, gives text.
    return getattr(sys.stdin, "buffer", None) or io.BytesIO(sys.stdin.read().encode("utf-8", "surrogatepass"))
