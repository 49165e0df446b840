"""Imports sessions from files in batches. Stored sessions stay, but an end in a file ends them."""

import collections
import contextlib
import datetime
import functools
import operator
import uuid
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.db import router

from ... import conf
from ...core.batches import batched
from ...database import clock
from ...database.errors import translating_errors, tried_again
from ...models import EndedSession, Reason, TrackingSession, erased_users
from .. import daily_counts, early_counts, rollup_state, statistics
from ..site_days import day_of
from .lines import Line, Problem
from .rows import Row, Rows

BATCH = 1000
"""Lines per transaction."""

_ONE_DAY = datetime.timedelta(days=1)


class Batch(NamedTuple):
    """The result for some lines.

    `counts` are numbers of sessions: `new`; `known` (stored before); `ended` (known, and now ended); `erased`
    (without their user, who was erased); `keyless` (without their API key, which is not stored here).
    """

    lines: int
    counts: collections.Counter[str]
    problems: list[Problem]


class Importer:
    """Imports files one after the other; `new_ids` makes new ids for sessions if theirs contain no start."""

    def __init__(self, *, new_ids: bool = False) -> None:
        self._new_ids = new_ids

    def run(self, lines: Iterable[Line | Problem], *, dry: bool) -> Iterator[Batch]:
        """Import a file; yield the result of each batch. Raises StoreUnavailable.

        A batch with problems is not imported. If `dry`, nothing is imported, but all else is the same.
        """
        with translating_errors():
            self._now = clock.now(_alias())
        with contextlib.closing(Rows(self._now, new_ids=self._new_ids)) as rows:
            for batch in batched(lines, BATCH):
                with translating_errors():
                    result = self._batch(batch, rows, dry=dry)
                yield result

    def _batch(self, lines: list[Line | Problem], rows: Rows, *, dry: bool) -> Batch:
        made: dict[uuid.UUID, Row] = {}
        problems: list[Problem] = []
        for line in lines:
            row = [line] if isinstance(line, Problem) else rows.row(line)
            if isinstance(row, Row):
                first = made.setdefault(row.session.session_id, row)
                if first.ended_at is None:
                    made[row.session.session_id] = first._replace(ended_at=row.ended_at, reason=row.reason)
            else:
                problems += row
        known, are_ended = _known(made)
        new = [row for pk, row in made.items() if pk not in known]
        problems += self._uncountable(new)
        counts = collections.Counter(new=len(new), known=len(lines) - len(new))
        counts["keyless"] = sum(row.has_lost_key for row in new)
        counts["erased"] = _leave_out_erased(new)
        ends = [row for pk, row in made.items() if row.ended_at is not None and pk not in are_ended]
        counts["ended"] = sum(row.session.session_id in known for row in ends)
        if not dry and not problems:
            _store([row.session for row in new], ends)
        return Batch(len(lines), counts, problems)

    def _uncountable(self, rows: list[Row]) -> Iterator[Problem]:
        for row in rows:
            if reason := self._reason(row.session.started_at):
                yield Problem(row.number, "started_at", reason)

    def _reason(self, moment: datetime.datetime) -> str | None:
        retention, gone = conf.get().retention, self._last_gone_day
        if retention is not None and moment < self._now - retention + _ONE_DAY:
            # With one more day: imported sessions must not be purged before they are counted.
            return "Is so old that RETENTION would purge it. First import and count it without RETENTION."
        if gone is not None and day_of(moment) <= gone:
            return (
                f"Counted sessions of {gone} are deleted, so an import would give wrong counts for "
                "days up to then."
            )
        return None

    @functools.cached_property
    def _last_gone_day(self) -> datetime.date | None:
        counted = statistics.rolled_up_until(primary=True) or (early_counts.mark_ahead() and self._now)
        # If no session is left, all may come back: an export, a deletion and an import make all ids anew.
        if counted is None or not TrackingSession.objects.primary().exists():
            return None
        return daily_counts.gone_until(counted)


def _known(ids: Iterable[uuid.UUID]) -> tuple[set[uuid.UUID], set[uuid.UUID]]:
    """Return the ids of those sessions that are stored, and of those with an end.

    The end of a session that was deleted does not count: the file may say when it ended before.
    """
    ids = list(ids)
    rows = TrackingSession.objects.primary().filter(pk__in=ids).values_list("session_id", flat=True)
    ends = EndedSession.objects.primary().filter(pk__in=ids).exclude(reason=Reason.DELETED)
    return set(rows), set(ends.values_list("session_id", flat=True))


def _leave_out_erased(rows: list[Row]) -> int:
    erased_at = erased_users.times({row.user_id for row in rows if row.user_id is not None})
    count = 0
    for row in rows:
        if row.user_id in erased_at and row.session.started_at < erased_at[row.user_id]:
            row.session.user_id = row.session.zephr_session_id = None
            count += 1
    return count


@tried_again
def _store(new: list[TrackingSession], ends: list[Row]) -> None:
    if not new and not ends:
        return
    # No other import stores the same sessions meanwhile, and no run of the rollups counts them.
    with rollup_state.locked():
        TrackingSession.objects.primary().bulk_create(
            sorted(new, key=operator.attrgetter("session_id")), ignore_conflicts=True
        )
        _store_ends(ends)


def _store_ends(ends: list[Row]) -> None:
    stored = EndedSession.objects.primary()
    stored.filter(pk__in=[row.session.session_id for row in ends], reason=Reason.DELETED).delete()
    stored.store(
        EndedSession(session_id=row.session.session_id, ended_at=row.ended_at, reason=row.reason)
        for row in ends
        if row.ended_at is not None
    )


def _alias() -> str:
    return router.db_for_write(TrackingSession)
