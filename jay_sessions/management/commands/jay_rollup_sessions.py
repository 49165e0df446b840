from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ... import rollups
from ...exceptions import StoreUnavailable
from ..progress import Progress


class Command(BaseCommand):
    help = (
        "Counts the sessions by day, for the dashboard: what is new or has changed since the last run. "
        "Run it every few minutes; several runs at the same time share the work."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--rebuild",
            action="store_true",
            help="count every day anew; days of which sessions are gone keep their numbers",
        )

    def handle(self, **options: Any) -> None:
        days = 0
        try:
            with Progress(0, self.stderr) as progress:
                for step in rollups.run(rebuild=options["rebuild"]):
                    days += 1
                    progress.add(left=step.left)
        except StoreUnavailable as error:
            raise CommandError(f"{error} Run it again.") from error
        except KeyboardInterrupt:
            raise CommandError("Stopped. The next run goes on from here.") from None
        self.stdout.write("1 day counted." if days == 1 else f"{days:,} days counted.")
