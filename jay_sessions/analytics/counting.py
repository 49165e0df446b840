"""Counts sessions, ends and fetched Zephr sessions: what they change in the stored numbers.

A session counts on the day of the time in its id, once, with its end if that is there. An end that comes
later is added to the same day.
"""

import datetime
import uuid
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import NamedTuple

from ..core.uuid7 import millisecond_of
from ..models import TrackingSession, TrackingSessionQuerySet
from ..models.ended import COUNTED
from ..models.rollups import Dimension
from . import daily_counts, previous, windows
from .aggregates import WITH_USERS
from .site_days import Days

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
    "zephr_session_id",
    "zephr_session__device",
    "zephr_session__country",
)
_CHUNK = 2000
_MICROSECOND = datetime.timedelta.resolution

Near = Mapping[Dimension, Mapping[uuid.UUID, int]]
"""For each dimension, the start of another session of the same user, in milliseconds, by the session's id."""

_NONE: Near = {dimension: {} for dimension in WITH_USERS}


_SITE, _PLAYOUT, _PROVIDER, _SOURCE, _DEVICE, _COUNTRY = Dimension


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
    zephr: str | None
    device: str | None
    country: str | None

    def names(self) -> tuple[tuple[Dimension, str | None], ...]:
        """Return the session's name in each dimension; None if it has none."""
        return (
            (_SITE, ""),
            (_PLAYOUT, self.playout),
            (_PROVIDER, self.provider),
            (_SOURCE, self.source),
            (_DEVICE, self.device),
            (_COUNTRY, self.country),
        )

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
        earlier, later = before[Dimension.PLAYOUT], after[Dimension.PLAYOUT]
        for row in rows:
            at = millisecond_of(row.pk)
            day = self.days.number(at)
            if daily:
                self._add_daily(row, day, before, after)
            visit = (at, row.user is not None, earlier.get(row.pk), later.get(row.pk))
            self.windows.add(row.playout, day, visit)

    def _add_daily(self, row: Row, day: int, before: Near, after: Near) -> None:
        duration = row.duration
        self.others += not self._starts_on(row.started_at, day)
        for dimension, name in row.names():
            if name is None:
                continue
            change = self.daily.of(day, dimension, name)
            if not change.sessions:
                change.api_key = row.api_key
            change.sessions += 1
            if duration is not None:
                change.ended += 1
                change.duration += duration
            if row.user is not None and dimension in before:
                later = after[dimension].get(row.pk)
                self._add_user(change, day, before[dimension].get(row.pk), later, (dimension, name))

    def _add_user(
        self,
        change: daily_counts.Change,
        day: int,
        earlier: int | None,
        later: int | None,
        named: tuple[Dimension, str],
    ) -> None:
        if earlier is not None and earlier >= self.days.begin(day):
            return
        was = None if earlier is None else self.days.number(earlier)
        comes = None if later is None else self.days.number(later)
        if day == comes:
            return
        _count(change.users, day, was, 1)
        if comes is not None:
            # The user's next day was counted as if this one had not been.
            users = self.daily.of(comes, *named).users
            _count(users, comes, was, -1)
            _count(users, comes, day, 1)

    def _starts_on(self, moment: datetime.datetime, day: int) -> bool:
        milliseconds = moment.timestamp() * 1000
        return self.days.begin(day) <= milliseconds < self.days.begin(day + 1)

    def add_ends(self, rows: Iterable[Row], fetched: Container[str | None]) -> int:
        """Add the ends of sessions that were counted without them; return how many.

        For sessions linked to one of the `fetched` Zephr sessions, `add_facts` adds device and country.
        """
        count = 0
        for row in rows:
            count += 1
            known = row._replace(device=None, country=None) if row.zephr in fetched else row
            self._add_to_all(row, known.names(), ended=1, duration=row.duration or 0)
        return count

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
    """Return the start of the same user's session before each one, for all stored sessions of a time."""
    if not rows:
        return _NONE
    recent, unknown = previous.recent(alias, rows[0].pk, rows[-1].pk)
    found = {}
    for dimension in dimensions:
        near = recent[dimension]
        open_ = (row for row in rows if _is_open(row.pk, near, unknown))
        wanted = [(row.pk, row.user) for row in open_ if row.user is not None]
        found[dimension] = {**near, **previous.before(alias, dimension, wanted)} if wanted else near
    return found


def _is_open(pk: uuid.UUID, near: Mapping[uuid.UUID, int], unknown: Container[uuid.UUID] | None) -> bool:
    return (unknown is None or pk in unknown) and pk not in near


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
