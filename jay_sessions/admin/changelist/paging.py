"""Pages of the session list at a constant cost, however many sessions there are.

A page begins below or above a session's id, so the database skips no rows to find it. If an index has
the wanted rows in order, they are read from it. If not, the few matching rows may be scattered over all
sessions: then a page searches a stretch of `STRETCH` sessions, and says how far it came. It skips times in
which there can be none.
"""

import dataclasses
import functools
import uuid
from collections.abc import Sequence
from typing import Any

from ...analytics.occurrences import EVERYWHERE, Spans
from ...models import TrackingSession, TrackingSessionQuerySet

MAX_COUNTED = 10_000
"""Counting stops at this number of sessions."""

STRETCH = 50_000
"""Sessions that a page searches if no index leads to the wanted ones."""

SPAN_COST = 1000
"""A span with fewer sessions counts as so many, because each span costs some queries."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cursor:
    """The start of a page: the next session older than `before`, or newer than `after`, or the newest."""

    before: uuid.UUID | None = None
    after: uuid.UUID | None = None

    @property
    def is_upwards(self) -> bool:
        """Whether the page is filled beginning with its oldest session."""
        return self.after is not None

    def beyond(self, rows: TrackingSessionQuerySet) -> TrackingSessionQuerySet:
        """Return the rows on this page and on later ones; `rows` come newest first.

        The result is in the order in which the page is filled.
        """
        if self.after is not None:
            return rows.filter(session_id__gt=self.after).reverse()
        return rows if self.before is None else rows.filter(session_id__lt=self.before)

    def starting_with(self, rows: TrackingSessionQuerySet, first: uuid.UUID) -> TrackingSessionQuerySet:
        """Return the rows from `first` on, in the direction of this cursor."""
        return rows.filter(**{"session_id__gte" if self.is_upwards else "session_id__lte": first})

    def ending_with(self, rows: TrackingSessionQuerySet, last: uuid.UUID) -> TrackingSessionQuerySet:
        """Return the rows up to `last`, in the direction of this cursor."""
        return rows.filter(**{"session_id__lte" if self.is_upwards else "session_id__gte": last})

    def onwards(self, session_id: uuid.UUID) -> "Cursor":
        """Return the cursor after this session in the same direction."""
        return Cursor(after=session_id) if self.is_upwards else Cursor(before=session_id)

    def back(self, session_id: uuid.UUID) -> "Cursor":
        """Return the cursor after this session in the other direction."""
        return Cursor(before=session_id) if self.is_upwards else Cursor(after=session_id)


OLDEST = Cursor(after=uuid.UUID(int=0))
"""The page of the oldest sessions."""


@dataclasses.dataclass(frozen=True)
class Route:
    """A condition that an index can answer alone: a session is in one of the `alternatives`.

    Each alternative is in the order of its index. `ordering` is that order if it is also the order of the
    ids, else empty.
    """

    alternatives: Sequence[TrackingSessionQuerySet]
    ordering: Sequence[Any] = ()

    @functools.cached_property
    def is_short(self) -> bool:
        """Whether so few sessions match that all of them may be read."""
        return sum(rows.count_up_to(MAX_COUNTED + 1) for rows in self.alternatives) <= MAX_COUNTED


@dataclasses.dataclass(frozen=True)
class Wanted:
    """The sessions to show, newest first.

    `rows` have all conditions, `in_period` only the ranges of time. `is_scanned`: some conditions
    are neither a route nor a range of time. All sessions are in the `spans`, which are newest first.
    """

    rows: TrackingSessionQuerySet
    in_period: TrackingSessionQuerySet
    routes: Sequence[Route] = ()
    is_scanned: bool = False
    spans: Spans = EVERYWHERE

    @functools.cached_property
    def indexed(self) -> TrackingSessionQuerySet | None:
        """The rows in the order of an index, or in any order if they are few; else None."""
        if not self.routes and not self.is_scanned:
            return self.rows
        if len(self.routes) == 1 and self.routes[0].ordering and not self.is_scanned:
            return self.rows.order_by(*self.routes[0].ordering)
        for route in self.routes:
            if route.is_short:
                return self.rows.order_by(*(route.ordering or ["-session_id"]))
        return None

    def count(self) -> int | None:
        """Return their number, at most `MAX_COUNTED` + 1; None if it is unknown without a scan."""
        return None if self.indexed is None else self.indexed.count_up_to(MAX_COUNTED + 1)


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """Sessions, newest first, and the cursors of the pages beside this one.

    `looked_up_to` is the session at which the page stopped its search; None if it did not.
    """

    rows: Sequence[TrackingSession]
    newer: Cursor | None
    older: Cursor | None
    looked_up_to: uuid.UUID | None


def page(wanted: Wanted, cursor: Cursor, size: int) -> Page:
    """Return up to `size` of the wanted sessions from the cursor on."""
    rows, end = _read(wanted, cursor, size + 1)
    if len(rows) > size:
        rows, end = rows[:size], None
        following: Cursor | None = cursor.onwards(rows[-1].session_id)
    else:
        following = None if end is None else cursor.onwards(end)
    previous = _previous(cursor, rows)
    if cursor.is_upwards:
        return Page(rows[::-1], newer=following, older=previous, looked_up_to=end)
    return Page(rows, newer=previous, older=following, looked_up_to=end)


def _read(wanted: Wanted, cursor: Cursor, limit: int) -> tuple[list[TrackingSession], uuid.UUID | None]:
    if wanted.indexed is not None:
        return list(cursor.beyond(wanted.indexed)[:limit]), None
    rows, stretch = cursor.beyond(wanted.rows), cursor.beyond(wanted.in_period)
    for route in wanted.routes:
        if route.ordering:
            # The first match may be far away; the search starts there.
            first = cursor.beyond(route.alternatives[0]).values_list("session_id", flat=True).first()
            if first is None:
                return [], None
            rows, stretch = cursor.starting_with(rows, first), cursor.starting_with(stretch, first)
    return _search(rows, stretch, cursor, _overlapping(wanted.spans, stretch, cursor), limit)


def _overlapping(spans: Spans, stretch: TrackingSessionQuerySet, cursor: Cursor) -> Spans:
    """Return the spans in the direction of the cursor, without those before and after all rows."""
    if spans == EVERYWHERE:
        return spans
    ids = stretch.values_list("session_id", flat=True)
    first, last = ids.first(), ids.last()
    if first is None or last is None:
        return ()
    begin, end = min(first, last), max(first, last)
    found = tuple(span for span in spans if span.first <= end and span.last >= begin)
    return found[::-1] if cursor.is_upwards else found


def _search(
    rows: TrackingSessionQuerySet,
    stretch: TrackingSessionQuerySet,
    cursor: Cursor,
    spans: Spans,
    limit: int,
) -> tuple[list[TrackingSession], uuid.UUID | None]:
    """Search the spans; return up to `limit` rows, and the id at which the search stopped, if it did."""
    found: list[TrackingSession] = []
    left = STRETCH
    for number, span in enumerate(spans, 1):
        part = span.of(stretch)
        end = part.values_list("session_id", flat=True)[left : left + 1].first()
        some = span.of(rows)
        found += (some if end is None else cursor.ending_with(some, end))[: limit - len(found)]
        if end is not None or len(found) == limit or number == len(spans):
            return found, end
        left -= max(part.count_up_to(left), SPAN_COST)
        if left <= 0:
            return found, span.last if cursor.is_upwards else span.first
    return found, None


def _previous(cursor: Cursor, rows: Sequence[TrackingSession]) -> Cursor | None:
    """Return the cursor of the page that leads here; None if this is the first page, or if it is unknown."""
    if cursor in (Cursor(), OLDEST) or not rows:
        return None
    return cursor.back(rows[0].session_id)
