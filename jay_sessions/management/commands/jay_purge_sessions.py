from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ... import conf, retention, rollups
from ...exceptions import StoreUnavailable
from ...store import available
from ..progress import Progress


class Command(BaseCommand):
    help = (
        "Deletes the sessions that started longer than RETENTION ago, in batches, beside live traffic. Their "
        "numbers stay: days are counted first, as jay_rollup_sessions does. Run it every day."
    )

    def handle(self, **options: Any) -> None:
        if conf.get().retention is None:
            raise CommandError(
                'RETENTION is not set. Write, for 90 days: JAY_SESSIONS = {"RETENTION": 90 * 24 * 60 * 60, '
                '"SESSION_LIFETIME": 30 * 24 * 60 * 60}'
            )
        purged = 0
        try:
            self._count_days()
            limit = retention.purge_limit()
            if limit is not None:
                with available():
                    total = retention.sessions_to_purge(limit).count()
                with Progress(total, self.stderr) as progress:
                    for count in retention.purge(limit):
                        purged += count
                        progress.add(count)
        except StoreUnavailable as error:
            raise CommandError(
                f"{error} {purged:,} sessions are purged. The next run goes on from here."
            ) from error
        except KeyboardInterrupt:
            raise CommandError(
                f"Stopped. {purged:,} sessions are purged. The next run goes on from here."
            ) from None
        self.stdout.write(f"{purged:,} session{'' if purged == 1 else 's'} purged.")

    def _count_days(self) -> None:
        with Progress(0, self.stderr) as progress:
            for step in rollups.run():
                progress.add(left=step.left)
