import collections
import itertools
import time
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ... import conf
from ...analytics import enrichment
from ...analytics.enrichment import Outcome
from ...exceptions import ZephrCredentialsRejected, ZephrError
from ..arguments import at_least_one, rate
from ..base import JayCommand

FAILURES_IN_A_ROW = 5
MAX_WAIT = 60
"""Longest wait after a failure, in seconds."""


class Command(JayCommand):
    help = (
        "Fetches the Zephr sessions that tracking sessions are linked to, for analytics: state, device, "
        "browser, system and country. You can stop it and run it again. Several runs at the same time "
        "share the work."
    )

    def so_far(self) -> str:
        return "The next run goes on from here."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rate", type=rate, default=5.0, help="maximum calls per second (default: 5)")
        parser.add_argument("--limit", type=at_least_one, help="maximum number of sessions (default: all)")

    def handle(self, **options: Any) -> None:
        if conf.get().zephr is None:
            raise CommandError("Zephr is not configured: set JAY_SESSIONS['ZEPHR'].")
        self._pause = 1 / options["rate"]
        self._failures = 0
        total = enrichment.waiting()
        outcomes: collections.Counter[Outcome] = collections.Counter()
        try:
            with self.progress(min(total, options["limit"] or total)) as progress:
                for zephr_session_id in itertools.islice(enrichment.waiting_ids(), options["limit"]):
                    outcomes[self._enrich(zephr_session_id)] += 1
                    progress.add()
        finally:
            said = [f"{outcomes[outcome]:,} {outcome}" for outcome in Outcome if outcomes[outcome]]
            self.report(f"{', '.join(said) or 'Nothing was fetched'}.")

    def _enrich(self, zephr_session_id: str) -> Outcome:
        while True:
            started = time.monotonic()
            try:
                outcome = enrichment.enrich(zephr_session_id)
            except ZephrError as error:
                self._failures += 1
                if isinstance(error, ZephrCredentialsRejected) or self._failures >= FAILURES_IN_A_ROW:
                    raise CommandError(f"{error} {self.so_far()}") from error
                if not error.retryable:
                    return Outcome.FAILED
                time.sleep(min(MAX_WAIT, getattr(error, "retry_after", None) or 2**self._failures))
            else:
                self._failures = 0
                if outcome is not Outcome.ELSEWHERE:
                    time.sleep(max(0.0, started + self._pause - time.monotonic()))
                return outcome
