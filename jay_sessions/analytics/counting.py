"""Counts sessions, ends and fetched Zephr sessions: what they change in the stored numbers.

A session counts on the day of the time in its id, once, with its end if that is there. An end that comes
later is added to the same day.
"""

import dataclasses
import datetime
import itertools
from collections.abc import Container, Iterable, Sequence

from ..models.rollups import Dimension
from . import daily_counts, windows
from .aggregates import WITH_USERS
from .previous import NOTHING, Near
from .rows import Names, Row
from .site_days import Days

_PLAYOUT = WITH_USERS.index(Dimension.PLAYOUT)

_Visits = tuple[Near, Near]
"""As the nearest sessions before and after one, but their days, by the numbers of `site_days.Days`."""


def _named(names: Names) -> Iterable[tuple[Dimension, str | None]]:
    return zip(Dimension, ("", *names), strict=True)


@dataclasses.dataclass(slots=True)
class _Group:
    """Sessions of a day with the same names, which are added to the numbers of each dimension together.

    `users` counts those with a user by the days of the user's other visits.
    """

    api_key: int | None
    sessions: int = 0
    ended: int = 0
    duration: int = 0
    users: dict[_Visits, int] = dataclasses.field(default_factory=dict)

    def add(self, row: Row, visits: _Visits | None) -> None:
        """Add a session; `visits` is None if it has no user."""
        self.sessions += 1
        duration = row.duration
        if duration is not None:
            self.ended += 1
            self.duration += duration
        if visits is not None:
            self.users[visits] = self.users.get(visits, 0) + 1


class Counts:
    """The changes of numbers and windows, and how many of the sessions have another day in `started_at`."""

    def __init__(self, names: dict[str, int], only: frozenset[int] | None = None) -> None:
        self.days = Days()
        self.daily = daily_counts.Changes(names)
        self.windows = windows.Changes(self.days, only)
        self.others = 0

    def add(
        self,
        rows: Sequence[Row],
        before: Iterable[Near],
        after: Iterable[Near] = itertools.repeat(NOTHING),
        *,
        daily: bool = True,
    ) -> None:
        """Add sessions; `before` and `after` are the nearest counted sessions of the same user, for each.

        Without `daily`, they are added to the windows alone.
        """
        groups: dict[tuple[int, Names], _Group] = {}
        day, begin, end = 0, 0, 0
        for row, earlier, later in zip(rows, before, after, strict=False):
            at = row.start
            if not begin <= at < end:
                day = self.days.number(at)
                begin, end = self.days.begin(day), self.days.begin(day + 1)
            if daily:
                self.others += not begin <= row.started_at.timestamp() * 1000 < end
                key = day, row.names
                group = groups.get(key)
                if group is None:
                    # The first group with a name begins with the first session of this name.
                    group = groups[key] = _Group(row.api_key)
                group.add(row, None if row.user is None else self._visits(day, earlier, later))
            self.windows.add(row.playout, day, (at, row.user is not None, earlier[_PLAYOUT], later[_PLAYOUT]))
        for (day, names), group in groups.items():
            self._spread(day, names, group)

    def _visits(self, day: int, earlier: Near, later: Near) -> _Visits:
        was = [None if start is None else self.days.number(start) for start in earlier]
        if later is NOTHING:
            return tuple(was), later
        comes = [None if start is None else self.days.number(start) for start in later]
        return tuple(was), tuple(comes)

    def _spread(self, day: int, names: Names, group: _Group) -> None:
        """Add the group to the numbers of each of its names."""
        for place, (dimension, name) in enumerate(_named(names)):
            if name is None:
                continue
            change = self.daily.of(day, dimension, name)
            if not change.sessions:
                change.api_key = group.api_key
            change.sessions += group.sessions
            change.ended += group.ended
            change.duration += group.duration
            if dimension in WITH_USERS:
                for (was, comes), count in group.users.items():
                    self._add_users(day, (dimension, name), (was[place], comes[place]), count)

    def _add_users(
        self, day: int, named: tuple[Dimension, str], visits: tuple[int | None, int | None], count: int
    ) -> None:
        was, comes = visits
        if day in visits:
            return
        _count(self.daily.of(day, *named).users, day, was, count)
        if comes is not None:
            # The users' next day was counted as if this one had not been.
            users = self.daily.of(comes, *named).users
            _count(users, comes, was, -count)
            _count(users, comes, day, count)

    def add_ends(self, rows: Iterable[Row], fetched: Container[str | None]) -> int:
        """Add the ends of sessions that were counted without them; return how many.

        For sessions linked to one of the `fetched` Zephr sessions, `add_facts` adds device and country.
        """
        count = 0
        for row in rows:
            count += 1
            known = row._replace(device=None, country=None) if row.zephr in fetched else row
            self._add_to_all(row, _named(known.names), ended=1, duration=row.duration or 0)
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
        day = self.days.number(row.start)
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
