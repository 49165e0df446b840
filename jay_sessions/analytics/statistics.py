"""Numbers of sessions and users by days of the site's zone: from the rollups, and live for what is newer.

Periods are half-open: from `first` to before `after`. A session without a user id counts no user. Users are
distinct over the whole day or period that is asked for.
"""

import dataclasses
import datetime
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from django.db import router
from django.db.models import Sum

from ..database.errors import translating_errors
from ..models import TrackingSession, TrackingSessionQuerySet
from ..models.rollups import DailyCount, Dimension, RollupState
from . import aggregates, daily_counts, rollup_state, site_days
from .site_days import start_of

__all__ = ["Dimension", "Filters", "Metrics", "breakdown", "by_day", "by_week", "rolled_up_until", "total"]

_ONE_DAY = datetime.timedelta(days=1)
_NOTHING = datetime.timedelta()
_TRIES = 3
T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Filters:
    """The sessions to count: those with the value `name` in the dimension, or all of the site.

    `Dimension` is SITE, PLAYOUT, PROVIDER, SOURCE, DEVICE or COUNTRY. The last two are for sessions that are
    linked to Zephr's, and count no users.
    """

    dimension: Dimension = Dimension.SITE
    name: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Metrics:
    """The numbers of a day or period.

    `new_users` had no earlier session among those that were stored when they were counted.
    `mean_duration` is the mean of the ended sessions, None if there are none.
    """

    sessions: int = 0
    users: int = 0
    new_users: int = 0
    ended: int = 0
    mean_duration: datetime.timedelta | None = None

    @property
    def returning_users(self) -> int:
        """The users who had an earlier session."""
        return self.users - self.new_users


@dataclasses.dataclass(slots=True)
class _Tally:
    sessions: int = 0
    users: int = 0
    new_users: int = 0
    ended: int = 0
    duration: datetime.timedelta = _NOTHING

    def add(self, row: dict[str, Any]) -> None:
        self.sessions += row.get("sessions", 0)
        self.ended += row.get("ended", 0)
        self.duration += row.get("ended_duration") or _NOTHING
        self.users += row.get("users", 0)
        self.new_users += row.get("new_users", 0)

    def metrics(self) -> Metrics:
        mean = self.duration / self.ended if self.ended else None
        return Metrics(self.sessions, self.users, self.new_users, self.ended, mean)


def rolled_up_until(*, primary: bool = False) -> datetime.datetime | None:
    """Return the time up to which sessions are rolled up; later ones are counted live.

    None if nothing is rolled up, or if a clock that was ahead has left a time in the future. `primary` asks
    the database that takes the writes: what is written must not depend on a replica, which may be behind.
    """
    with translating_errors():
        return _rolled_until(router.db_for_write(RollupState) if primary else None)


def by_day(
    filters: Filters, first: datetime.date, after: datetime.date, end: datetime.datetime | None = None
) -> list[Metrics]:
    """Return the metrics of each day. Raises StoreUnavailable.

    If `end` is given, sessions that are not rolled up count only if they started before it.
    """
    return _read(lambda period: _steps(period, filters, 1), first, after, end)


def by_week(filters: Filters, first: datetime.date, after: datetime.date) -> list[Metrics]:
    """Return the metrics of each seven days; the last may be shorter. Raises StoreUnavailable."""
    return _read(lambda period: _steps(period, filters, 7), first, after)


def total(filters: Filters, first: datetime.date, after: datetime.date) -> Metrics:
    """Return the metrics of a period. Raises StoreUnavailable."""
    return _read(
        lambda period: _totals(period, filters.dimension, [filters.name])[filters.name].metrics(),
        first,
        after,
    )


def breakdown(
    dimension: Dimension, first: datetime.date, after: datetime.date, limit: int = 10
) -> list[tuple[str, Metrics]]:
    """Return up to `limit` names with the most sessions in a period, most first.

    The name "" stands for all names beyond `MAX_DAILY_PLAYOUTS` together; their users are not known.
    Raises StoreUnavailable.
    """

    def read(period: _Period) -> list[tuple[str, Metrics]]:
        counted = period.sessions_by_name(dimension)
        names = sorted(filter(counted.get, counted), key=lambda name: (-counted[name], name))[:limit]
        tallies = _totals(period, dimension, names)
        return [(name, tallies[name].metrics()) for name in names]

    return _read(read, first, after)


def _steps(period: "_Period", filters: Filters, days: int) -> list[Metrics]:
    tallies = [_Tally() for _ in range(0, (period.after - period.first).days, days)]
    for row in period.numbers(filters.dimension, [filters.name], days):
        tallies[(row["day"] - period.first).days // days].add(row)
    return [tally.metrics() for tally in tallies]


def _totals(period: "_Period", dimension: Dimension, names: list[str]) -> defaultdict[str, _Tally]:
    tallies: defaultdict[str, _Tally] = defaultdict(_Tally)
    for row in period.numbers(dimension, names, (period.after - period.first).days):
        tallies[row["name"]].add(row)
    return tallies


def _read(
    read: Callable[["_Period"], T],
    first: datetime.date,
    after: datetime.date,
    end: datetime.datetime | None = None,
) -> T:
    # If a run of the rollups ended meanwhile, its sessions were counted twice: read again.
    with translating_errors():
        for _ in range(_TRIES):
            until = _rolled_until()
            result = read(_Period(first, after, until, end))
            if _rolled_until() == until:
                break
    return result


def _rolled_until(alias: str | None = None) -> datetime.datetime | None:
    return rollup_state.usable(alias).values_list("rolled_until", flat=True).first()


@dataclasses.dataclass(frozen=True, slots=True)
class _Period:
    """From `first` to before `after`: rolled up to `until`, then live, to before `end`."""

    first: datetime.date
    after: datetime.date
    until: datetime.datetime | None
    end: datetime.datetime | None

    def sessions_by_name(self, dimension: Dimension) -> dict[str, int]:
        """Return the number of sessions of each name."""
        counted: dict[str, int] = defaultdict(int)
        if self.until is not None:
            # Only columns that an index holds, so that the table is not read.
            rows = DailyCount.objects.filter(kind=dimension, day__gte=self.first, day__lt=self.after)
            counted.update(rows.values_list("name").annotate(Sum("sessions")).order_by())
        for row in self._live_counts(dimension, None):
            counted[row["name"]] += row["sessions"]
        return counted

    def numbers(self, dimension: Dimension, names: list[str], days: int) -> Iterator[dict[str, Any]]:
        """Yield `name` and `day` with counts of sessions, of users, or of both.

        The former are `sessions`, `ended` and `ended_duration`, the latter `users` and `new_users`. The
        period is cut into steps of `days` days; a user counts once in each step.
        """
        if self.until is not None:
            yield from self._rolled_up(dimension, names, days)
        yield from self._live_counts(dimension, names)
        if dimension in aggregates.WITH_USERS:
            yield from self._live_users(dimension, names, days)

    def _rolled_up(self, dimension: Dimension, names: list[str], days: int) -> Iterator[dict[str, Any]]:
        columns = ("name", "day", "sessions", "ended", "ended_duration", "users")
        rows: Any = DailyCount.objects.filter(
            kind=dimension, name__in=names, day__gte=self.first, day__lt=self.after
        )
        for row in rows.values(*columns):
            # Of users who were there before within the step, an earlier day counts.
            new, others = daily_counts.users_within(row["users"], (row["day"] - self.first).days % days)
            yield {**row, "users": new + others, "new_users": new}

    def _live_counts(self, dimension: Dimension, names: list[str] | None) -> Iterator[dict[str, Any]]:
        live = self._live(dimension, names)
        for row in (
            () if live is None else aggregates.counts(live, dimension, aggregates.day_in(site_days.zone()))
        ):
            yield {**row, "day": self._within(row["day"])}

    def _within(self, day: datetime.date) -> datetime.date:
        # A clock that goes back over midnight shows a past day again.
        return min(max(day, self.first), self.after - _ONE_DAY)

    def _live_users(self, dimension: Dimension, names: list[str], days: int) -> Iterator[dict[str, Any]]:
        live, zone = self._live(dimension, names), site_days.zone()
        for row in () if live is None else aggregates.users(live, dimension, aggregates.day_in(zone), zone):
            is_new, day = row["last_day"] is None, self._within(row["day"])
            begin = day - (day - self.first) % (days * _ONE_DAY)
            counts = is_new or row["last_day"] < begin
            users = row["users"] if counts else 0
            yield {**row, "day": day, "users": users, "new_users": users if is_new else 0}

    def _live(self, dimension: Dimension, names: list[str] | None) -> TrackingSessionQuerySet | None:
        """Return the sessions of the period that are not rolled up; None if all are."""
        begin, end = start_of(self.first), start_of(self.after)
        end = end if self.end is None else min(end, self.end)
        begin = begin if self.until is None else max(begin, self.until)
        if begin >= end:
            return None
        rows = TrackingSession.objects.started_from(begin).started_before(end)
        if names is None or dimension not in aggregates.FIELDS:
            return rows
        return rows.filter(**{f"{aggregates.FIELDS[dimension]}__in": names})
