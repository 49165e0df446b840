"""The stored numbers of days: what sessions add to them, and how that is stored.

Users are counted by the number of days since they were there before: 0 for new ones. So the distinct users of
a period are a sum over its days, of those who were not there before within the period.
"""

import bisect
import collections
import dataclasses
import datetime
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.db import router
from django.db.models import Max, Min

from .. import conf
from ..core.batches import batched
from ..models import TrackingSession, TrackingSessionQuerySet
from ..models.rollups import DailyCount, Dimension
from .site_days import day_of, start_of

LIMITED = (Dimension.PLAYOUT, Dimension.PROVIDER)
"""Clients choose these names, so `MAX_DAILY_PLAYOUTS` limits their number."""

OTHERS = ""
"""The name that stands for all names beyond `MAX_DAILY_PLAYOUTS`."""

_BATCH = 500
_ONE_DAY = datetime.timedelta(days=1)
_MICROSECOND = datetime.timedelta.resolution

Users = dict[int, int]
Key = tuple[int, str]
"""The number of a day (see `site_days.Days`), and a dimension."""


def pack(users: Users) -> str:
    """Return the users by days since they were there before, as they are stored."""
    pairs = sorted((distance, count) for distance, count in users.items() if count > 0)
    return json.dumps(list(itertools.chain.from_iterable(pairs)), separators=(",", ":")) if pairs else ""


def unpack(packed: str) -> Iterator[tuple[int, int]]:
    """Yield the days since users were there before (0: never), and how many users."""
    numbers = iter(json.loads(packed) if packed else ())
    return zip(numbers, numbers, strict=True)


def users_within(packed: str, days: int) -> tuple[int, int]:
    """Return how many users were never there before, and how many were not in the last `days` days.

    The users who were never there before are not among the latter.
    """
    numbers = json.loads(packed) if packed else []
    # Sorted by the days since users were there before; the loop over them is in C.
    backs, counts = numbers[::2], numbers[1::2]
    new = counts[backs.index(0)] if 0 in backs else 0
    return new, sum(counts[bisect.bisect_right(backs, days) :])


@dataclasses.dataclass(slots=True)
class Change:
    """What is to be added to the numbers of a day and a name. `duration` is in microseconds.

    `api_key` is the key of the first session that has the name; None if no session is added.
    """

    sessions: int = 0
    ended: int = 0
    duration: int = 0
    users: Users = dataclasses.field(default_factory=dict)
    api_key: int | None = None

    def add(self, other: "Change") -> None:
        """Add another change; the users of many names together are not known."""
        self.sessions += other.sessions
        self.ended += other.ended
        self.duration += other.duration


class Changes:
    """Changes of many days and names. `names` counts the names of each day, dimension and API key."""

    def __init__(self, names: dict[str, int]) -> None:
        self.names = names
        self.refused: set[str] = set()
        """Playouts and providers that are counted under `OTHERS`."""
        self._changes: dict[Key, dict[str, Change]] = collections.defaultdict(dict)

    def of(self, day: int, dimension: Dimension, name: str) -> Change:
        """Return the change of a name, to add to."""
        named = self._changes[day, dimension]
        change = named.get(name)
        if change is None:
            change = named[name] = Change()
        return change

    def first_days(self, dimension: Dimension, names: Iterable[str]) -> dict[str, datetime.date]:
        """Return the first day on which each name was counted; names that never were are left out."""
        return self._days(dimension, names, min)

    def last_days(self, dimension: Dimension, names: Iterable[str]) -> dict[str, datetime.date]:
        """Return the last day on which each name was counted; names that never were are left out."""
        return self._days(dimension, names, max)

    def _days(
        self, dimension: Dimension, names: Iterable[str], best: Callable[..., datetime.date]
    ) -> dict[str, datetime.date]:
        # Any name may be among the others of a day.
        wanted = {*names, OTHERS}
        found: dict[str, list[datetime.date]] = collections.defaultdict(list)
        for batch in batched(wanted, _BATCH):
            counts = DailyCount.objects.using(_alias()).filter(kind=dimension, name__in=batch).order_by()
            for name, *days in counts.values_list("name").annotate(Min("day"), Max("day")):
                found[name] += days
        for (day, kind), named in self._changes.items():
            if kind == dimension:
                for name in wanted.intersection(named):
                    found[name].append(datetime.date.fromordinal(day))
        others = found.pop(OTHERS, [])
        return {name: best([*others, *days]) for name, days in found.items()} | (
            {name: best(others) for name in wanted.difference(found)} if others else {}
        )

    def store(self) -> None:
        """Add all changes to the stored numbers, and forget them. Call it in the run's transaction."""
        for (day, dimension), named in sorted(self._changes.items()):
            others = Change()
            for batch in batched(named.items(), _BATCH):
                self._add(day, dimension, dict(batch), others)
            if others.sessions or others.ended:
                self._add(day, dimension, {OTHERS: others}, others)
        self._changes.clear()

    def _add(self, day: int, dimension: str, changes: dict[str, Change], others: Change) -> None:
        stored = DailyCount.objects.using(_alias()).filter(
            day=datetime.date.fromordinal(day), kind=dimension, name__in=list(changes)
        )
        rows = {row.name: row for row in stored}
        for name, change in changes.items():
            if name in rows or self._is_taken(day, dimension, name, change, others):
                row = rows.setdefault(name, _empty(day, dimension, name))
                row.sessions += change.sessions
                row.ended += change.ended
                row.ended_duration += change.duration * _MICROSECOND
                if change.users:
                    users = collections.Counter(dict(unpack(row.users)))
                    users.update(change.users)
                    row.users = pack(users)
        DailyCount.objects.using(_alias()).bulk_create(
            rows.values(),
            batch_size=_BATCH,
            update_conflicts=True,
            unique_fields=["kind", "name", "day"],
            update_fields=["sessions", "ended", "ended_duration", "users"],
        )

    def _is_taken(self, day: int, dimension: str, name: str, change: Change, others: Change) -> bool:
        """Say whether a new name gets numbers of its own; else add the change to `others`."""
        if dimension not in LIMITED or name == OTHERS:
            return bool(change.sessions) or name == OTHERS
        if change.sessions:
            key = f"{day} {dimension} {change.api_key}"
            count = self.names.get(key, self._names_before(day, dimension))
            if count < conf.get().max_daily_playouts:
                self.names[key] = count + 1
                return True
            self.refused.add(name)
        others.add(change)
        return False

    def _names_before(self, day: int, dimension: str) -> int:
        # The numbers of earlier days are forgotten: then all of the day's names count as the key's.
        if any(key.startswith(f"{day} ") for key in self.names):
            return 0
        stored = DailyCount.objects.using(_alias())
        return stored.filter(day=datetime.date.fromordinal(day), kind=dimension).count()


def _empty(day: int, dimension: str, name: str) -> DailyCount:
    return DailyCount(
        kind=dimension,
        name=name,
        day=datetime.date.fromordinal(day),
        sessions=0,
        ended=0,
        ended_duration=datetime.timedelta(),
        users="",
    )


def rows_of(day: datetime.date, until: datetime.datetime) -> TrackingSessionQuerySet:
    """Return the stored sessions of a day that started before `until`."""
    end = min(start_of(day + _ONE_DAY), until)
    return TrackingSession.objects.primary().started_between(start_of(day), end)


def is_whole(day: datetime.date, until: datetime.datetime) -> bool:
    """Say whether all sessions of the day that were ever counted are still stored."""
    kept = sessions_counted(day)
    return not kept or rows_of(day, until).count() >= kept


def gone_until(until: datetime.datetime) -> datetime.date | None:
    """Return the last day with counted sessions that are gone, for any reason; None if there is none.

    Sessions that started before `until` are counted.
    """
    days = DailyCount.objects.using(_alias()).filter(kind=Dimension.SITE, day__lte=day_of(until))
    for day, kept in days.order_by("-day").values_list("day", "sessions"):
        if rows_of(day, until).count() < kept:
            return day
    return None


def sessions_counted(day: datetime.date) -> int:
    """Return the stored number of the day's sessions."""
    row = DailyCount.objects.using(_alias()).filter(kind=Dimension.SITE, day=day).first()
    return 0 if row is None else row.sessions


def note_uncounted(day: datetime.date, until: datetime.datetime) -> None:
    """Let the day have others if a stored session has a provider or a source that was not counted on it.

    A day that has lost sessions is not counted anew. With others, it is searched for any name.
    """
    counted = DailyCount.objects.using(_alias()).filter(day=day)
    for dimension, column in ((Dimension.PROVIDER, "provider_name"), (Dimension.SOURCE, "source")):
        names = rows_of(day, until).order_by().values_list(column, flat=True).distinct()
        known = counted.filter(kind=dimension).values_list("name", flat=True)
        if {*names}.difference(known, [None]):
            others = _empty(day.toordinal(), dimension, OTHERS)
            DailyCount.objects.using(_alias()).bulk_create([others], ignore_conflicts=True)


def forget(days: Iterable[datetime.date]) -> None:
    """Delete the numbers of these days."""
    DailyCount.objects.using(_alias()).filter(day__in=list(days)).delete()


def _alias() -> Any:
    return router.db_for_write(DailyCount)
