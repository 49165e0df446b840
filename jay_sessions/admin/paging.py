"""Pages of the session list that cost the same however many sessions there are.

A page begins below or above a session's id, so no row is skipped over to get to it. Where an index has
the wanted rows in order, they are read off it. Where none has, the few that fit may be scattered over
all sessions: a page then looks through a stretch of `STRETCH` of them, and says how far it got.
"""

import dataclasses
import functools
import uuid
from collections.abc import Sequence
from typing import Any

from ..models import TrackingSession
from ..querysets import TrackingSessionQuerySet

MOST_COUNTED = 10_000
"""What is more is not counted."""

STRETCH = 50_000
"""Sessions that a page looks through where no index leads to those that it wants."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cursor:
    """A page begins with the next session older than `before`, or newer than `after`, or with the newest."""

    before: uuid.UUID | None = None
    after: uuid.UUID | None = None

    @property
    def is_upwards(self) -> bool:
        """Whether the page is filled from its oldest session on."""
        return self.after is not None

    def beyond(self, rows: TrackingSessionQuerySet) -> TrackingSessionQuerySet:
        """Return those of the rows, which are newest first, that are on this page or on later ones.

        They come in the order in which the page is filled.
        """
        if self.after is not None:
            return rows.filter(session_id__gt=self.after).reverse()
        return rows if self.before is None else rows.filter(session_id__lt=self.before)

    def starting_with(self, rows: TrackingSessionQuerySet, first: uuid.UUID) -> TrackingSessionQuerySet:
        """Keep the rows that are as far away as `first`, or further."""
        return rows.filter(**{"session_id__gte" if self.is_upwards else "session_id__lte": first})

    def ending_with(self, rows: TrackingSessionQuerySet, last: uuid.UUID) -> TrackingSessionQuerySet:
        """Keep the rows that are as far away as `last`, or nearer."""
        return rows.filter(**{"session_id__lte" if self.is_upwards else "session_id__gte": last})

    def onwards(self, session_id: uuid.UUID) -> "Cursor":
        """Return the cursor of what follows this session in the same direction."""
        return Cursor(after=session_id) if self.is_upwards else Cursor(before=session_id)

    def back(self, session_id: uuid.UUID) -> "Cursor":
        """Return the cursor of what follows this session in the other direction."""
        return Cursor(before=session_id) if self.is_upwards else Cursor(after=session_id)


OLDEST = Cursor(after=uuid.UUID(int=0))
"""The page of the oldest sessions."""


@dataclasses.dataclass(frozen=True)
class Route:
    """A condition that an index serves by itself: that a session is among one of the `alternatives`.

    Each of them comes in the order of its index. `ordering` is that order where it is also that of the
    ids, and empty where there is none.
    """

    alternatives: Sequence[TrackingSessionQuerySet]
    ordering: Sequence[Any] = ()

    @functools.cached_property
    def is_short(self) -> bool:
        """Whether so few sessions fit that all of them may be read."""
        return sum(rows.count_up_to(MOST_COUNTED + 1) for rows in self.alternatives) <= MOST_COUNTED


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the list is to show, newest first.

    `rows` have all conditions on them, `in_period` only those that are ranges of time. `is_scanned`:
    there are conditions that neither a route nor a range of time stands for.
    """

    rows: TrackingSessionQuerySet
    in_period: TrackingSessionQuerySet
    routes: Sequence[Route] = ()
    is_scanned: bool = False

    @functools.cached_property
    def indexed(self) -> TrackingSessionQuerySet | None:
        """The rows in an order in which an index has them, or where they are few; else None."""
        if not self.routes and not self.is_scanned:
            return self.rows
        if len(self.routes) == 1 and self.routes[0].ordering and not self.is_scanned:
            return self.rows.order_by(*self.routes[0].ordering)
        for route in self.routes:
            if route.is_short:
                return self.rows.order_by(*(route.ordering or ["-session_id"]))
        return None

    def count(self) -> int | None:
        """Return how many there are, at most one more than `MOST_COUNTED`; None where nobody can say."""
        return None if self.indexed is None else self.indexed.count_up_to(MOST_COUNTED + 1)


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """Sessions, newest first, and where the pages beside this one begin.

    `looked_up_to` is where the page gave up looking for more.
    """

    rows: Sequence[TrackingSession]
    newer: Cursor | None
    older: Cursor | None
    looked_up_to: uuid.UUID | None


def page(wanted: Wanted, cursor: Cursor, size: int) -> Page:
    """Return up to `size` of the wanted sessions from where the cursor says."""
    found, end = _read(wanted, cursor, size + 1)
    if len(found) > size:
        found, end = found[:size], None
        following: Cursor | None = cursor.onwards(found[-1].session_id)
    else:
        following = None if end is None else cursor.onwards(end)
    previous = _previous(cursor, found)
    if cursor.is_upwards:
        return Page(found[::-1], newer=following, older=previous, looked_up_to=end)
    return Page(found, newer=previous, older=following, looked_up_to=end)


def _read(wanted: Wanted, cursor: Cursor, most: int) -> tuple[list[TrackingSession], uuid.UUID | None]:
    if wanted.indexed is not None:
        return list(cursor.beyond(wanted.indexed)[:most]), None
    rows, stretch = cursor.beyond(wanted.rows), cursor.beyond(wanted.in_period)
    for route in wanted.routes:
        if route.ordering:
            # All that fit may be far away: nothing is to be found before the first one.
            first = cursor.beyond(route.alternatives[0]).values_list("session_id", flat=True).first()
            if first is None:
                return [], None
            rows, stretch = cursor.starting_with(rows, first), cursor.starting_with(stretch, first)
    end = stretch.values_list("session_id", flat=True)[STRETCH : STRETCH + 1].first()
    return list((rows if end is None else cursor.ending_with(rows, end))[:most]), end


def _previous(cursor: Cursor, found: Sequence[TrackingSession]) -> Cursor | None:
    """Return the cursor of the page that leads here; None where this is the first one, or nobody can say."""
    if cursor in (Cursor(), OLDEST) or not found:
        return None
    return cursor.back(found[0].session_id)
