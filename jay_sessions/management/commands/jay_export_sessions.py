import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ... import export
from ...exceptions import InvalidValue, StoreUnavailable
from ...export import Format
from ...identifiers import check_text
from ...models import TrackingSession
from ...patterns import WILDCARD
from ...querysets import TrackingSessionQuerySet
from ...store import available
from ..progress import Progress
from .jay_create_api_key import moment


class Command(BaseCommand):
    help = "Exports tracking sessions, newest first, as CSV or as lines of JSON, in constant memory."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=[*Format], default=Format.CSV, help="default: csv")
        parser.add_argument(
            "--output",
            default="-",
            metavar="FILE",
            help="is complete once it is there, readable for its owner alone (default: standard output)",
        )
        parser.add_argument("--playout", metavar="ID", help="a playout, or how playouts begin: 'netflix-de*'")
        parser.add_argument("--provider", metavar="NAME", help="a provider")
        parser.add_argument("--user-id", metavar="ID", help="a user, or how user ids begin: 'partner-*'")
        parser.add_argument("--source", metavar="SOURCE", help="a source")
        parser.add_argument(
            "--from", dest="after", type=moment, metavar="ISO8601", help="started then or later"
        )
        parser.add_argument("--to", dest="before", type=moment, metavar="ISO8601", help="started before")

    def handle(self, **options: Any) -> None:
        try:
            rows = _rows(options)
            with available():
                total = rows.count()
            with self._output(options["output"]) as out, Progress(total, self.stderr) as progress:
                for data, sessions in export.blocks(rows, Format(options["format"])):
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
    def _output(self, name: str) -> Iterator[BinaryIO]:
        if name == "-":
            binary: Any = self.stdout.buffer
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


def _rows(options: dict[str, Any]) -> TrackingSessionQuerySet:
    rows: TrackingSessionQuerySet = TrackingSession.objects.all()
    values = {"provider_name": options["provider"], "source": options["source"]}
    for column, text in (("playout_id", options["playout"]), ("user_id", options["user_id"])):
        if text is not None and text.endswith(WILDCARD):
            rows = rows.starting_with(column, check_text(text.removesuffix(WILDCARD)))
        else:
            values[column] = text
    rows = rows.order_by("-session_id")
    for column, text in values.items():
        if text is not None:
            rows = rows.with_value(column, check_text(text))
    if options["after"] is not None:
        rows = rows.started_from(options["after"])
    if options["before"] is not None:
        rows = rows.started_before(options["before"])
    return rows
