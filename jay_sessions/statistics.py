"""How many sessions and users there were: days of the site's zone, from the rollups and, since then, live.

Periods are half-open: from `first` to before `after`. A session without a user id is nobody's. Users are
distinct over the whole of what is asked for, a day or a period.
"""

import dataclasses
import datetime
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from . import daily, site_days
from .expressions import StepBegin
from .models import TrackingSession
from .querysets import TrackingSessionQuerySet
from .rollup_models import DailyCount, DailyUsers, Kind, RollupState
from .site_days import start_of
from .store import available

__all__ = ["Kind", "Measures", "Subject", "by_day", "by_week", "rolled_up_until", "top", "total"]

_ONE_DAY = datetime.timedelta(days=1)
_NOTHING = datetime.timedelta()
_TRIES = 3
T = TypeVar("T")
M = TypeVar("M", DailyCount, DailyUsers)


@dataclasses.dataclass(frozen=True, slots=True)
class Subject:
    """What is counted: the site, or a playout, provider or source by its name."""

    kind: Kind = Kind.SITE
    name: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Measures:
    """The numbers of a day or period.

    `new_users` were never there before, as far as sessions were retained when they were counted;
    `mean_duration` is that of the sessions that were ended, None where there are none.
    """

    sessions: int = 0
    users: int = 0
    new_users: int = 0
    ended: int = 0
    mean_duration: datetime.timedelta | None = None

    @property
    def returning_users(self) -> int:
        """Those who were there before."""
        return self.users - self.new_users


@dataclasses.dataclass(slots=True)
class _Tally:
    sessions: int = 0
    users: int = 0
    new_users: int = 0
    ended: int = 0
    duration: datetime.timedelta = _NOTHING

    def add_counts(self, row: dict[str, Any]) -> None:
        self.sessions += row["sessions"]
        self.ended += row["ended"]
        self.duration += row["ended_duration"] or _NOTHING

    def add_users(self, row: dict[str, Any]) -> None:
        self.users += row["users"]
        self.new_users += row["new_users"]

    def measures(self) -> Measures:
        mean = self.duration / self.ended if self.ended else None
        return Measures(self.sessions, self.users, self.new_users, self.ended, mean)


def rolled_up_until() -> datetime.datetime | None:
    """Return up to when sessions are rolled up; what is later is counted when it is asked for."""
    with available():
        return _rolled_until()


def by_day(
    subject: Subject, first: datetime.date, after: datetime.date, end: datetime.datetime | None = None
) -> list[Measures]:
    """Return the measures of each day. Raises StoreUnavailable.

    Of what is not rolled up yet, only what was started before `end` counts, if that is given.
    """
    return _read(lambda period: _steps(period, subject, 1), first, after, end)


def by_week(subject: Subject, first: datetime.date, after: datetime.date) -> list[Measures]:
    """Return the measures of each seven days, the last of them cut by the end. Raises StoreUnavailable."""
    return _read(lambda period: _steps(period, subject, 7), first, after)


def total(subject: Subject, first: datetime.date, after: datetime.date) -> Measures:
    """Return the measures of a period. Raises StoreUnavailable."""
    return _read(
        lambda period: _totals(period, subject.kind, [subject.name])[subject.name].measures(), first, after
    )


def top(
    kind: Kind, first: datetime.date, after: datetime.date, limit: int = 10
) -> list[tuple[str, Measures]]:
    """Return the names with the most sessions in a period, most first. Raises StoreUnavailable."""

    def read(period: _Period) -> list[tuple[str, Measures]]:
        counted = period.sessions_by_name(kind)
        names = sorted(counted, key=lambda name: (-counted[name], name))[:limit]
        tallies = _totals(period, kind, names)
        return [(name, tallies[name].measures()) for name in names]

    return _read(read, first, after)


def _steps(period: "_Period", subject: Subject, days: int) -> list[Measures]:
    tallies = [_Tally() for _ in range(0, (period.after - period.first).days, days)]
    for row in period.counts(subject.kind, [subject.name]):
        tallies[(row["day"] - period.first).days // days].add_counts(row)
    for row in period.users(subject.kind, [subject.name], days):
        tallies[(row["day"] - period.first).days // days].add_users(row)
    return [tally.measures() for tally in tallies]


def _totals(period: "_Period", kind: Kind, names: list[str]) -> defaultdict[str, _Tally]:
    tallies: defaultdict[str, _Tally] = defaultdict(_Tally)
    for row in period.counts_of_whole(kind, names):
        tallies[row["name"]].add_counts(row)
    for row in period.users(kind, names, (period.after - period.first).days):
        tallies[row["name"]].add_users(row)
    return tallies


def _read(
    read: Callable[["_Period"], T],
    first: datetime.date,
    after: datetime.date,
    end: datetime.datetime | None = None,
) -> T:
    # Where a run of the rollups came in between, what it counted was counted live as well: once more.
    with available():
        for _ in range(_TRIES):
            until = _rolled_until()
            result = read(_Period(first, after, until, end))
            if _rolled_until() == until:
                break
    return result


def _rolled_until() -> datetime.datetime | None:
    # What was counted in the days of another zone is of no use.
    states = RollupState.objects.filter(zone=str(site_days.zone()))
    return states.values_list("rolled_until", flat=True).first()


@dataclasses.dataclass(frozen=True, slots=True)
class _Period:
    """From `first` to before `after`: up to `until` from the rollups, then live, to before `end`."""

    first: datetime.date
    after: datetime.date
    until: datetime.datetime | None
    end: datetime.datetime | None

    def sessions_by_name(self, kind: Kind) -> dict[str, int]:
        """Return the sessions of all names."""
        counted: dict[str, int] = defaultdict(int)
        if self.until is not None:
            # Of this little, that an index alone has it.
            rows = DailyCount.objects.filter(kind=kind, day__gte=self.first, day__lt=self.after)
            counted.update(rows.values_list("name").annotate(Sum("sessions")).order_by())
        live = self._live(kind, None)
        for row in () if live is None else daily.counts(live, kind, site_days.zone()):
            counted[row["name"]] += row["sessions"]
        return counted

    def counts(self, kind: Kind, names: list[str]) -> Iterator[dict[str, Any]]:
        """Give `name`, `day`, `sessions`, `ended` and `ended_duration` of each day."""
        if self.until is not None:
            rows = self._rolled_up(DailyCount, kind, names)
            yield from cast(Any, rows.values("name", "day", "sessions", "ended", "ended_duration"))
        yield from self._live_counts(kind, names)

    def counts_of_whole(self, kind: Kind, names: list[str]) -> Iterator[dict[str, Any]]:
        """Give `name`, `sessions`, `ended` and `ended_duration`, once or more for each name."""
        if self.until is not None:
            # Added up by the database: a year of ten names would be thousands of rows.
            rows = self._rolled_up(DailyCount, kind, names).values_list("name").order_by()
            for name, *sums in rows.annotate(Sum("sessions"), Sum("ended"), Sum("ended_duration")):
                yield {"name": name, **dict(zip(("sessions", "ended", "ended_duration"), sums, strict=True))}
        yield from self._live_counts(kind, names)

    def _rolled_up(self, model: type[M], kind: Kind, names: list[str]) -> QuerySet[M]:
        return model._default_manager.filter(
            kind=kind, name__in=names, day__gte=self.first, day__lt=self.after
        )

    def _live_counts(self, kind: Kind, names: list[str]) -> Iterator[dict[str, Any]]:
        live = self._live(kind, names)
        if live is not None:
            yield from daily.counts(live, kind, site_days.zone())

    def users(self, kind: Kind, names: list[str], days: int) -> Iterator[dict[str, Any]]:
        """Give `name`, `day`, `users` and `new_users`.

        The period is cut into steps of so many days; users are those who had not been there in theirs.
        """
        if kind not in daily.WITH_USERS:
            return
        if self.until is not None:
            rows = self._rolled_up(DailyUsers, kind, names)
            whole = days >= (self.after - self.first).days
            yield from self._users_of_whole(rows) if whole else self._users_of_steps(rows, days)
        live = self._live(kind, names)
        for row in () if live is None else daily.users(live, kind, site_days.zone()):
            is_new = row["last_day"] is None
            begin = row["day"] - (row["day"] - self.first) % (days * _ONE_DAY)
            counts = is_new or row["last_day"] < begin
            users = row["users"] if counts else 0
            yield {**row, "users": users, "new_users": users if is_new else 0}

    def _users_of_whole(self, rows: QuerySet[DailyUsers]) -> Iterator[dict[str, Any]]:
        # Two questions, each a range of an index that has little else, where one with OR reads all days.
        for is_new, found in (
            (True, rows.filter(last_day__isnull=True)),
            (False, rows.filter(last_day__lt=self.first)),
        ):
            for name, users in found.values_list("name").annotate(Sum("users")).order_by():
                yield {
                    "name": name,
                    "day": self.first,
                    "users": users,
                    "new_users": users if is_new else 0,
                }

    def _users_of_steps(self, rows: QuerySet[DailyUsers], days: int) -> Iterator[dict[str, Any]]:
        new = Q(last_day__isnull=True)
        unseen = new | Q(last_day__lt=StepBegin("day", self.first, days))
        found = rows.values("name", "day").annotate(
            unseen=Sum("users", filter=unseen), new=Sum("users", filter=new)
        )
        for row in found.order_by():
            yield {
                "name": row["name"],
                "day": row["day"],
                "users": row["unseen"] or 0,
                "new_users": row["new"] or 0,
            }

    def _live(self, kind: Kind, names: list[str] | None) -> TrackingSessionQuerySet | None:
        """Return the sessions of the period that are not rolled up; None where all are."""
        begin, end = start_of(self.first), start_of(self.after)
        end = end if self.end is None else min(end, self.end)
        begin = begin if self.until is None else max(begin, self.until)
        if begin >= min(end, timezone.now()):
            return None
        rows = TrackingSession.objects.started_from(begin).started_before(end)
        if names is None or kind not in daily.FIELDS:
            return rows
        return rows.filter(**{f"{daily.FIELDS[kind]}__in": names})
