from typing import Any

from django.core.management.base import CommandParser

from ...analytics import early_counts, rollups
from ..base import JayCommand


class Command(JayCommand):
    help = (
        "Counts the sessions of each day for the dashboard, if they are new or changed since the last "
        "run. Run it every few minutes. Several runs at the same time share the work."
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
        days = others = 0
        if warning := early_counts.warning():
            self.stderr.write(warning)
        with self.progress(0) as progress:
            for step in rollups.run(rebuild=options["rebuild"]):
                days += 1
                others += step.others
                progress.add(left=step.left)
        if others:
            of_whom = "1 session has an id" if others == 1 else f"{others:,} sessions have ids"
            self.stderr.write(f"{of_whom} from another day than started_at. The id's day counts.")
        self.report("1 day counted." if days == 1 else f"{days:,} days counted.")
