import datetime
from typing import Any

from django.core.management.base import CommandError

from ... import conf, retention
from ...analytics import early_counts, rollups
from ...database.errors import translating_errors
from ..base import JayCommand


class Command(JayCommand):
    help = (
        "Deletes sessions that started longer than RETENTION ago, in batches, while the site is "
        "running; whole partitions are dropped. The statistics stay: it first counts all days, as "
        "jay_rollup_sessions does. Run it every day."
    )

    purged = dropped = 0

    def so_far(self) -> str:
        return f"{self._partitions()}{self.purged:,} sessions are purged. The next run goes on from here."

    def handle(self, **options: Any) -> None:
        if conf.get().retention is None:
            raise CommandError(
                'RETENTION is not set. Write, for 90 days: JAY_SESSIONS = {"RETENTION": 90 * 24 * 60 * 60, '
                '"SESSION_LIFETIME": 30 * 24 * 60 * 60}'
            )
        self._count_days()
        limit = retention.purge_limit()
        if limit is not None:
            self.dropped = retention.drop_partitions(limit)
            self._purge(limit)
        self.report(f"{self._partitions()}{self.purged:,} session{'' if self.purged == 1 else 's'} purged.")

    def _partitions(self) -> str:
        if not self.dropped:
            return ""
        return f"{self.dropped:,} partition{'' if self.dropped == 1 else 's'} dropped. "

    def _purge(self, limit: datetime.datetime) -> None:
        with translating_errors():
            total = retention.sessions_to_purge(limit).count()
        with self.progress(total) as progress:
            for count in retention.purge(limit):
                self.purged += count
                progress.add(count)

    def _count_days(self) -> None:
        if warning := early_counts.warning():
            self.stderr.write(warning)
        with translating_errors():
            waiting = rollups.waiting()
        with self.progress(waiting) as progress:
            for step in rollups.run():
                progress.add(step.sessions or 1)
