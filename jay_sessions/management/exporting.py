"""What the commands that export have in common: to a file or to standard output, whole or not at all."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from .. import export
from ..exceptions import InvalidValue, StoreUnavailable
from ..export import Format
from ..querysets import TrackingSessionQuerySet
from ..store import available
from .progress import Progress


def add_arguments(parser: CommandParser, default: Format) -> None:
    """Add `--format` and `--output`."""
    parser.add_argument("--format", choices=[*Format], default=default, help=f"default: {default}")
    parser.add_argument(
        "--output",
        default="-",
        metavar="FILE",
        help="is complete once it is there, readable for its owner alone (default: standard output)",
    )


def write(
    command: BaseCommand,
    rows: Callable[[], TrackingSessionQuerySet],
    options: Mapping[str, Any],
    columns: Mapping[str, str] | None = None,
) -> None:
    """Export the rows to where the options say. Raises CommandError for what goes wrong."""
    try:
        found = rows()
        with available():
            total = found.count()
        with _output(command, options["output"]) as out, Progress(total, command.stderr) as progress:
            for data, sessions in export.blocks(found, Format(options["format"]), columns):
                out.write(data)
                progress.add(sessions)
    except InvalidValue as error:
        raise CommandError(f"A filter cannot match anything: {error}") from error
    except StoreUnavailable as error:
        raise CommandError(f"{error} The export is not complete.") from error
    except BrokenPipeError:
        # Whoever was reading has enough. What is still buffered has nowhere to go at the end, either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        raise CommandError(f"The export cannot be written: {error}") from error
    except KeyboardInterrupt:
        raise CommandError("Stopped. The export is not complete.") from None


@contextlib.contextmanager
def _output(command: BaseCommand, name: str) -> Iterator[BinaryIO]:
    if name == "-":
        binary: Any = command.stdout.buffer
        yield binary
        binary.flush()
    else:
        with _complete_file(Path(name).resolve()) as out:
            yield out


@contextlib.contextmanager
def _complete_file(path: Path) -> Iterator[BinaryIO]:
    """Write beside `path`, and put the whole file in its place at the end; on a failure leave nothing."""
    if path.exists() and not path.is_file():
        raise CommandError(f"{path} is no ordinary file.")
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as out:
        try:
            yield out  # type: ignore[misc] # a wrapper that is as good as a BinaryIO
            out.flush()
            os.fsync(out.fileno())
            Path(out.name).replace(path)
        except BaseException:
            Path(out.name).unlink()
            raise
