"""Counts sessions, ends and fetched Zephr sessions: what they change in the stored numbers.

A session counts on the day of the time in its id, once, with its end if that is there. An end that comes
later is added to the same day.
"""

import datetime
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from ..core.uuid7 import millisecond_of
from ..models import TrackingSession, TrackingSessionQuerySet
from ..models.ended import COUNTED
from ..models.rollups import Dimension
from . import daily_counts, previous, windows
from .aggregates import WITH_USERS
from .site_days import Days
from .windows import Visit

_FIELDS = (
    "session_id",
    "playout_id",
    "provider_name",
    "source",
    "user_id",
    "api_key_id",
    "started_at",
    "end__reason",
    "end__ended_at",
    "zephr_session__device",
    "zephr_session__country",
)
_CHUNK = 2000
_MICROSECOND = datetime.timedelta.resolution

Near = Mapping[Dimension, Mapping[uuid.UUID, uuid.UUID]]
"""For each dimension, another session of the same user by the session's id."""

_NONE: Near = {dimension: {} for dimension in WITH_USERS}


class Row(NamedTuple):
    """What is counted of a session."""

    pk: uuid.UUID
    playout: str
    provider: str | None
    source: str
    user: str | None
    api_key: int | None
    started_at: datetime.datetime
    reason: str | None
    ended_at: datetime.datetime | None
    device: str | None
    country: str | None

    def names(self) -> list[tuple[Dimension, str | None]]:
        """Return the session's name in each dimension; None if it has none."""
        return [
            (Dimension.SITE, ""),
            (Dimension.PLAYOUT, self.playout),
            (Dimension.PROVIDER, self.provider),
            (Dimension.SOURCE, self.source),
            (Dimension.DEVICE, self.device),
            (Dimension.COUNTRY, self.country),
        ]

    @property
    def duration(self) -> int | None:
        """How long the session took, in microseconds; None if nobody has ended it."""
        if self.ended_at is None or self.reason not in COUNTED:
            return None
        return (self.ended_at - self.started_at) // _MICROSECOND


def read(rows: TrackingSessionQuerySet, most: int | None = None) -> list[Row]:
    """Return what is counted of the sessions, or of the first ones, in the order of their ids."""
    return [Row(*values) for values in rows.order_by("session_id").values_list(*_FIELDS)[:most]]


def iterate(rows: TrackingSessionQuerySet) -> Iterator[Row]:
    """Yield what is counted of any number of sessions, in no order."""
    for values in rows.order_by().values_list(*_FIELDS).iterator(_CHUNK):
        yield Row(*values)


class Counts:
    """The changes of numbers and windows, and how many of the sessions have another day in `started_at`."""

    def __init__(self, names: dict[str, int], only: frozenset[int] | None = None) -> None:
        self.days = Days()
        self.daily = daily_counts.Changes(names)
        self.windows = windows.Changes(self.days, only)
        self.others = 0

    def add(self, rows: Iterable[Row], before: Near, after: Near = _NONE, *, daily: bool = True) -> None:
        """Add sessions; `before` and `after` are the nearest counted sessions of the same user.

        Without `daily`, they are added to the windows alone.
        """
        for row in rows:
            if daily:
                self._add_daily(row, before, after)
            self.windows.add(row.playout, self._visit(row, before, after))

    def _visit(self, row: Row, before: Near, after: Near) -> Visit:
        earlier = before[Dimension.PLAYOUT].get(row.pk)
        later = after[Dimension.PLAYOUT].get(row.pk)
        return Visit(
            millisecond_of(row.pk),
            row.user is not None,
            None if earlier is None else millisecond_of(earlier),
            None if later is None else millisecond_of(later),
        )

    def _add_daily(self, row: Row, before: Near, after: Near) -> None:
        day, duration = self.days.number(millisecond_of(row.pk)), row.duration
        self.others += not self._starts_on(row.started_at, day)
        for dimension, name in row.names():
            if name is None:
                continue
            change = self.daily.of(day, dimension, name)
            change.sessions += 1
            if change.sessions == 1:
                change.api_key = row.api_key
            if duration is not None:
                change.ended += 1
                change.duration += duration
            if row.user is not None and dimension in WITH_USERS:
                earlier, later = before[dimension].get(row.pk), after[dimension].get(row.pk)
                self._add_user(day, dimension, name, earlier, later)

    def _add_user(
        self,
        day: int,
        dimension: Dimension,
        name: str,
        earlier: uuid.UUID | None,
        later: uuid.UUID | None,
    ) -> None:
        was = None if earlier is None else self.days.number(millisecond_of(earlier))
        comes = None if later is None else self.days.number(millisecond_of(later))
        if day in (was, comes):
            return
        users = self.daily.of(day, dimension, name).users
        _count(users, day, was, 1)
        if comes is not None:
            # The user's next day was counted as if this one had not been.
            users = self.daily.of(comes, dimension, name).users
            _count(users, comes, was, -1)
            _count(users, comes, day, 1)

    def _starts_on(self, moment: datetime.datetime, day: int) -> bool:
        milliseconds = moment.timestamp() * 1000
        return self.days.begin(day) <= milliseconds < self.days.begin(day + 1)

    def add_ends(self, rows: Iterable[Row]) -> int:
        """Add the ends of sessions that were counted without them; return how many."""
        rows = list(rows)
        for row in rows:
            self._add_to_all(row, row.names(), ended=1, duration=row.duration or 0)
        return len(rows)

    def add_facts(self, rows: Iterable[Row]) -> None:
        """Add sessions that were counted when their device and country were not known."""
        for row in rows:
            known = [(Dimension.DEVICE, row.device), (Dimension.COUNTRY, row.country)]
            duration = row.duration
            self._add_to_all(row, known, 1, int(duration is not None), duration or 0)

    def _add_to_all(
        self,
        row: Row,
        names: Iterable[tuple[Dimension, str | None]],
        sessions: int = 0,
        ended: int = 0,
        duration: int = 0,
    ) -> None:
        day = self.days.number(millisecond_of(row.pk))
        for dimension, name in names:
            if name is not None:
                change = self.daily.of(day, dimension, name)
                change.sessions += sessions
                change.ended += ended
                change.duration += duration

    def store(self, until: datetime.datetime) -> None:
        """Add all of it to what is stored. Call it in the run's transaction."""
        self.daily.store()
        self.windows.store(until, self.daily.refused)


def _count(users: daily_counts.Users, day: int, was: int | None, count: int) -> None:
    # A later day than this one can only come of a clock that went back.
    distance = 0 if was is None else day - was
    users[distance] = users.get(distance, 0) + count


def before(rows: list[Row], alias: str, dimensions: Iterable[Dimension] = WITH_USERS) -> Near:
    """Return the session of the same user before each one, for sessions in the order of their ids.

    Those among the rows are found without a query, if all sessions between the first and the last are there.
    """
    found: dict[Dimension, dict[uuid.UUID, uuid.UUID]] = {}
    unknown_users: set[str] = set()
    for dimension in dimensions:
        near, first = _among(rows, dimension)
        known = (row for row in first if row.user not in unknown_users)
        wanted = [(row.pk, row.user) for row in known if row.user is not None]
        near.update(previous.before(alias, dimension, wanted))
        if dimension is Dimension.SITE:
            # Users without any earlier session have none in any other dimension.
            unknown_users = {row.user for row in first if row.user is not None and row.pk not in near}
        found[dimension] = near
    return found


def _among(rows: list[Row], dimension: Dimension) -> tuple[dict[uuid.UUID, uuid.UUID], list[Row]]:
    """Return the earlier sessions among the rows, and the rows that are the first of a user and a name."""
    last: dict[tuple[str, str], uuid.UUID] = {}
    near, first = {}, []
    name_of = _NAMES[dimension]
    for row in rows:
        name = name_of(row)
        if row.user is None or name is None:
            continue
        earlier = last.get((row.user, name))
        if earlier is None:
            first.append(row)
        else:
            near[row.pk] = earlier
        last[row.user, name] = row.pk
    return near, first


_NAMES: dict[Dimension, Callable[[Row], str | None]] = {
    Dimension.SITE: lambda row: "",
    Dimension.PLAYOUT: lambda row: row.playout,
    Dimension.PROVIDER: lambda row: row.provider,
    Dimension.SOURCE: lambda row: row.source,
}


def around(rows: list[Row], alias: str, until: uuid.UUID) -> tuple[Near, Near]:
    """Return the nearest counted sessions of the same users, for late sessions in their order.

    `until` is as in `previous.after`. Sessions with a note are not counted yet, these rows included.
    """
    wanted = [(row.pk, row.user) for row in rows if row.user is not None]
    # Those before it were counted before it. After it, the others may not be counted yet.
    earlier = {dimension: previous.before(alias, dimension, wanted) for dimension in WITH_USERS}
    later = {dimension: previous.after(alias, dimension, wanted, until) for dimension in WITH_USERS}
    return earlier, later


def linked(zephr_session_ids: Iterable[str], alias: str) -> TrackingSessionQuerySet:
    """Return the sessions that are linked to these Zephr sessions."""
    return TrackingSession.objects.using(alias).filter(zephr_session_id__in=list(zephr_session_ids))
