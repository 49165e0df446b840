from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connections, router

from ... import conf, retention
from ...models import TrackingSession
from ...store import partitioning, partitions
from ..arguments import at_least_one
from ..base import JayCommand


class Command(JayCommand):
    help = (
        "Partitions the tables of sessions and ends by PARTITIONS, on PostgreSQL; makes the next partitions, "
        "and drops those that RETENTION frees. Run it after migrate, and then every day."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--attach",
            action="store_true",
            help="partition tables that have rows, while the site is running",
        )
        parser.add_argument(
            "--ahead",
            type=at_least_one,
            default=partitions.AHEAD,
            help="the number of periods after the current one that get a partition; default: 3",
        )

    def so_far(self) -> str:
        return "The next run goes on from here."

    def handle(self, **options: Any) -> None:
        length, alias = conf.get().partitions, router.db_for_write(TrackingSession)
        if length is None:
            raise CommandError('PARTITIONS is not set. Write: JAY_SESSIONS = {"PARTITIONS": "month"}')
        if connections[alias].vendor != "postgresql":
            raise CommandError("Only PostgreSQL has partitions.")
        try:
            tables = partitioning.partition(alias, length, attach=options["attach"])
        except partitioning.CannotPartition as error:
            raise CommandError(str(error)) from error
        # First, because without these no session could start.
        made = partitions.make(alias, length, options["ahead"])
        dropped = retention.drop_partitions(retention.purge_limit())
        done = f"{made:,} partition{'' if made == 1 else 's'} made, {dropped:,} dropped."
        self.report(f"{tables} table{'' if tables == 1 else 's'} partitioned; {done}" if tables else done)
