"""Where the sessions of a provider or a source are. No index of the sessions tells, but the numbers do."""

import datetime
import uuid
from collections.abc import Iterable
from typing import NamedTuple

from ..core.uuid7 import lowest_id
from ..models import TrackingSession, TrackingSessionQuerySet
from ..models.rollups import DailyCount, Dimension, LateSession
from . import rollup_state
from .aggregates import FIELDS
from .daily_counts import OTHERS
from .site_days import start_of

_ONE_DAY = datetime.timedelta(days=1)
_NEWEST = 1000
_EARLIEST, _LATEST = uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)


class Span(NamedTuple):
    """A range of ids, both included."""

    first: uuid.UUID
    last: uuid.UUID

    def of(self, rows: TrackingSessionQuerySet) -> TrackingSessionQuerySet:
        """Return the rows with these ids."""
        if self == EVERYWHERE[0]:
            return rows
        return rows.filter(session_id__gte=self.first, session_id__lte=self.last)


Spans = tuple[Span, ...]
EVERYWHERE: Spans = (Span(_EARLIEST, _LATEST),)


def spans(dimension: Dimension, name: str) -> Spans:
    """Return the ranges of ids with all sessions that have this name, newest first.

    They are the days on which such sessions were counted, and the times of sessions that are not counted yet.
    A session that came too late to be counted, and that the rollups have not found yet, may be elsewhere.
    """
    state = rollup_state.usable().first()
    if state is None or state.rolled_until is None:
        return EVERYWHERE
    uncounted = state.rolled_until
    if state.recount_from is not None:
        uncounted = min(uncounted, start_of(state.recount_from))
    found = [Span(lowest_id(uncounted), _LATEST)]
    late = LateSession.objects.order_by("session_id").values_list("session_id", flat=True)
    first, last = late.first(), late.last()
    if first is not None and last is not None:
        found.append(Span(first, last))
    # A name of a crowded day may be among its others.
    days = DailyCount.objects.filter(kind=dimension, name__in=[name, OTHERS]).values_list("day", flat=True)
    found += (_day(day) for day in days)
    return _united(found)


def _day(day: datetime.date) -> Span:
    return Span(lowest_id(start_of(day)), uuid.UUID(int=lowest_id(start_of(day + _ONE_DAY)).int - 1))


def _united(found: Iterable[Span]) -> Spans:
    """Return the spans without overlaps, newest first."""
    united: list[Span] = []
    for span in sorted(found):
        if united and span.first.int <= united[-1].last.int + 1:
            united[-1] = Span(united[-1].first, max(united[-1].last, span.last))
        else:
            united.append(span)
    return tuple(reversed(united))


def both(some: Spans, others: Spans) -> Spans:
    """Return the ids that are in both. All spans are newest first, and do not overlap."""
    found: list[Span] = []
    rest, others_rest = list(reversed(some)), list(reversed(others))
    while rest and others_rest:
        one, other = rest[-1], others_rest[-1]
        part = Span(max(one.first, other.first), min(one.last, other.last))
        if part.first <= part.last:
            found.append(part)
        (rest if one.first > other.first else others_rest).pop()
    return tuple(found)


def names(dimension: Dimension, limit: int = 50) -> list[str]:
    """Return up to `limit` names of counted sessions and of the newest ones, sorted."""
    column = FIELDS[dimension]
    newest = TrackingSession.objects.order_by("-session_id").values_list(column, flat=True)[:_NEWEST]
    known = DailyCount.objects.distinct_values("name", limit + 1, kind=dimension)
    return sorted({*known, *newest} - {OTHERS, None})[:limit]
