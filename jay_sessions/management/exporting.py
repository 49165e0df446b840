"""The base of the commands that export: to standard output, or to a file, whole or not at all."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from django.core.management.base import CommandError, CommandParser

from ..analytics import export
from ..analytics.export import Format
from ..database.errors import translating_errors
from ..exceptions import InvalidValue
from ..models import TrackingSessionQuerySet
from .base import JayCommand


def add_arguments(parser: CommandParser, default: Format) -> None:
    """Add `--format` and `--output`."""
    parser.add_argument("--format", choices=[*Format], default=default, help=f"default: {default}")
    parser.add_argument(
        "--output",
        default="-",
        metavar="FILE",
        help="the file to write; it appears when it is complete, and only its owner can read it "
        "(default: standard output)",
    )


class ExportCommand(JayCommand):
    """A command that exports sessions."""

    def so_far(self) -> str:
        return "The export is not complete."

    def write(
        self,
        rows: Callable[[], TrackingSessionQuerySet],
        options: Mapping[str, Any],
        columns: Mapping[str, str] | None = None,
    ) -> None:
        """Export the rows as the options say. Raises CommandError for any failure."""
        try:
            chosen = rows()
            with translating_errors():
                total = chosen.count()
            with self._output(options["output"]) as out, self.progress(total) as progress:
                for data, sessions in export.blocks(chosen, Format(options["format"]), columns):
                    out.write(data)
                    progress.add(sessions)
        except InvalidValue as error:
            raise CommandError(f"A filter cannot match anything: {error}") from error
        except OSError as error:
            if isinstance(error, BrokenPipeError) and self._called_from_command_line:
                # The reader, such as `head`, has closed the pipe.
                self.forget_output()
                sys.exit(1)
            self.output_failed(error, "The export cannot be written")

    @contextlib.contextmanager
    def _output(self, name: str) -> Iterator["_Out"]:
        if name == "-":
            self.stdout.flush()
            # A stream without a byte buffer, such as io.StringIO, takes text.
            out: _Out = getattr(self.stdout, "buffer", None) or _AsText(self.stdout)
            yield out
            self.stdout.flush()
        else:
            with _complete_file(Path(name).resolve()) as out:
                yield out


class _Out(Protocol):
    def write(self, data: bytes, /) -> Any: ...


class _AsText:
    def __init__(self, out: Any) -> None:
        self._out = out

    def write(self, data: bytes) -> None:
        # A block ends with a whole line, so no character is cut.
        self._out.write(data.decode(), ending="")


@contextlib.contextmanager
def _complete_file(path: Path) -> Iterator[_Out]:
    """Write to a file beside `path`, and rename it at the end; after a failure nothing is left."""
    if path.exists() and not path.is_file():
        raise CommandError(f"{path} is no ordinary file.")
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as out:
        try:
            yield out
            out.flush()
            os.fsync(out.fileno())
            Path(out.name).replace(path)
        except BaseException:
            Path(out.name).unlink()
            raise
