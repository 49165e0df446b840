from typing import Any

from django.core.management.base import CommandParser

from ...analytics import early_counts, rollups
from ...database.errors import translating_errors
from ..base import JayCommand


class Command(JayCommand):
    help = (
        "Counts the sessions and ends for the dashboard that are new since the last run. Run it every few "
        "minutes. Several runs at the same time share the work."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--rebuild",
            action="store_true",
            help="count every day again; a day keeps its numbers if some of its sessions are deleted",
        )

    def so_far(self) -> str:
        return "The next run goes on from here."

    def handle(self, **options: Any) -> None:
        days = sessions = ends = others = 0
        if warning := early_counts.warning():
            self.stderr.write(warning)
        with translating_errors():
            waiting = rollups.waiting()
        with self.progress(waiting) as progress:
            for step in rollups.run(rebuild=options["rebuild"]):
                days += step.recounted is not None
                sessions += step.sessions
                ends += step.ends
                others += step.others
                progress.add(step.sessions or 1)
        if others:
            of_whom = "1 session has an id" if others == 1 else f"{others:,} sessions have ids"
            self.stderr.write(f"{of_whom} from another day than started_at. The id's day counts.")
        counted = f"{_number(sessions, 'session')} and {_number(ends, 'later end')} counted"
        self.report(f"{counted}, {_number(days, 'day')} counted anew." if days else f"{counted}.")


def _number(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
