import collections
import contextlib
from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...analytics.export import Format
from ...analytics.imports.importing import Importer
from ...analytics.imports.lines import Problem
from ..base import JayCommand
from ..sources import Source, opened

NAMED = 20
"""Most problems that are shown; further ones are only counted."""

WORDS = {
    "new": "imported",
    "known": "already there",
    "ended": "already there and now ended",
    "erased": "without their user, who was erased",
    "keyless": "without their API key, which is not here",
}


class Command(JayCommand):
    help = (
        "Imports sessions from CSV or lines of JSON, in the form that jay_export_sessions and the admin "
        "write. It first checks all files: if a line is wrong, it imports nothing. It does not import a "
        "session again that is already there."
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.done = collections.Counter[str]()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "files",
            nargs="+",
            metavar="FILE",
            help="a file to import, gzip-compressed or not; - is standard input",
        )
        parser.add_argument(
            "--format", choices=[*Format], help="default: by the file's name, or else by its first character"
        )
        parser.add_argument(
            "--new-ids",
            action="store_true",
            help="replace ids that do not contain their session's start; each run makes the same new ids",
        )
        parser.add_argument("--dry-run", action="store_true", help="only check the files")

    def so_far(self) -> str:
        return f"{_said(self.done)} The next run goes on from here."

    def handle(self, **options: Any) -> None:
        importer = Importer(new_ids=options["new_ids"])
        try:
            with contextlib.ExitStack() as stack:
                sources = [stack.enter_context(opened(name, options["format"])) for name in options["files"]]
                counts = self._check(importer, sources)
                if not options["dry_run"]:
                    self._import(importer, sources, counts["lines"])
        except OSError as error:
            raise CommandError(f"A file cannot be read: {error}") from error
        if options["dry_run"]:
            self.report(f"Nothing is wrong. Without --dry-run: {_said(counts)}")
            return
        counted = " Run jay_rollup_sessions to count them." if self.done["new"] else ""
        self.report(f"{_said(self.done)}{counted}")

    def _check(self, importer: Importer, sources: Sequence[Source]) -> "collections.Counter[str]":
        """Return the counts of an import, and its `lines`. Raises CommandError for an invalid line."""
        totals, wrong = collections.Counter[str](), 0
        with self.progress(0) as progress:
            for source in sources:
                for lines, counts, problems in importer.run(source.lines(), dry=True):
                    totals.update(counts, lines=lines)
                    for problem in problems[: max(0, NAMED - wrong)]:
                        self.stderr.write(_named(source, problem))
                    wrong += len(problems)
                    progress.add(lines, left=source.lines_left(lines))
        if wrong:
            shown = f"; the first {NAMED} are shown above" if wrong > NAMED else ""
            raise CommandError(
                f"{wrong:,} {'error' if wrong == 1 else 'errors'}{shown}. Nothing is imported."
            )
        return totals

    def _import(self, importer: Importer, sources: Sequence[Source], total: int) -> None:
        with self.progress(total) as progress:
            for source in sources:
                for lines, counts, problems in importer.run(source.lines(), dry=False):
                    if problems:
                        # The check before found no problem in this batch.
                        raise CommandError(f"{_named(source, problems[0])} {_said(self.done)}")
                    self.done.update(counts)
                    progress.add(lines)


def _named(source: Source, problem: Problem) -> str:
    where = f"{source.name}:{problem.number}" if problem.number else source.name
    return (
        f"{where}: {problem.column}: {problem.message}" if problem.column else f"{where}: {problem.message}"
    )


def _said(counts: "collections.Counter[str]") -> str:
    said = [
        f"{counts[name]:,} {words}"
        for name, words in WORDS.items()
        if counts[name] or name in ("new", "known")
    ]
    return f"Sessions: {', '.join(said)}."
