"""The stored counts of one day: how to read them, and how to replace them; for the order see `rollups.py`."""

import dataclasses
import datetime
from collections.abc import Iterable
from typing import Any

from django.db import router
from django.db.models import DateField, Q, QuerySet, Value

from ..models import TrackingSession, TrackingSessionQuerySet
from ..models.rollups import DailyCount, DailyUsers, Dimension, RollupState
from . import aggregates, site_days
from .site_days import start_of

_ONE_DAY = datetime.timedelta(days=1)
_BATCH = 1000


def _alias() -> str:
    return router.db_for_write(RollupState)


def rows_of(day: datetime.date, until: datetime.datetime) -> TrackingSessionQuerySet:
    """Return the sessions of a day that started before `until`."""
    rows = TrackingSession.objects.primary().started_from(start_of(day))
    return rows.started_before(min(start_of(day + _ONE_DAY), until))


def sessions_kept(day: datetime.date) -> int:
    """Return the stored number of the day's sessions."""
    row = DailyCount.objects.using(_alias()).filter(kind=Dimension.SITE, day=day).first()
    return 0 if row is None else row.sessions


def is_whole(day: datetime.date, until: datetime.datetime) -> bool:
    """Return whether all sessions of the day that were ever counted are still stored."""
    kept = sessions_kept(day)
    return not kept or rows_of(day, until).count() >= kept


def gone_until(before: datetime.date) -> datetime.date | None:
    """Return the last day before `before` with counted sessions that are gone, for any reason; else None."""
    days = DailyCount.objects.using(_alias()).filter(kind=Dimension.SITE, day__lt=before)
    for day, kept in days.order_by("-day").values_list("day", "sessions"):
        if rows_of(day, start_of(before)).count() < kept:
            return day
    return None


def others(day: datetime.date, *, and_later: bool) -> int:
    """Return how many sessions count on the day, or later, but by `started_at` started at another time."""
    begin, end = start_of(day), start_of(day + _ONE_DAY)
    rows = TrackingSession.objects.primary().started_from(begin)
    if not and_later:
        rows = rows.started_before(end)
    return rows.filter(Q(started_at__lt=begin) | Q(started_at__gte=end)).count()


@dataclasses.dataclass(frozen=True, slots=True)
class Replacement:
    """Rows that replace the stored ones."""

    kept: QuerySet[Any]
    rows: list[Any]

    def keep(self) -> None:
        """Replace the stored rows; call it in a transaction."""
        self.kept.delete()
        self.kept.model._default_manager.using(_alias()).bulk_create(self.rows, batch_size=_BATCH)


def counts(day: datetime.date, rows: TrackingSessionQuerySet) -> Replacement:
    """Count the sessions of a day; `rows` are these sessions."""
    made = [
        DailyCount(kind=dimension, **{**row, "ended_duration": row["ended_duration"] or datetime.timedelta()})
        for dimension in Dimension
        for row in aggregates.counts(rows, dimension, _always(day))
        # Grouped by constants only, SQL returns a row even if there are no sessions.
        if row["sessions"]
    ]
    return Replacement(DailyCount.objects.using(_alias()).filter(day=day), made)


def users(day: datetime.date, rows: TrackingSessionQuerySet, gone: datetime.date | None) -> Replacement:
    """Count the users of a day; `rows` are its sessions, `gone` is the result of `gone_until`."""
    made = [
        DailyUsers(kind=dimension, **row)
        for dimension in aggregates.WITH_USERS
        for row in aggregates.users(rows, dimension, _always(day), site_days.zone())
    ]
    kept = DailyUsers.objects.using(_alias()).filter(day=day)
    if gone is not None:
        made = _still_returning(made, kept.filter(last_day__lte=gone))
    return Replacement(kept, made)


def _always(day: datetime.date) -> Any:
    return Value(day, output_field=DateField())


def _still_returning(made: list[DailyUsers], kept: Iterable[DailyUsers]) -> list[DailyUsers]:
    """Return the counted users, but keep the stored number of users returning after days that are gone.

    Without the sessions of those days, these users look new.
    """
    by_last_day = {(row.kind, row.name, row.last_day): row for row in made}
    for row in kept:
        new = by_last_day.get((row.kind, row.name, None))
        if new is None:
            continue
        none = DailyUsers(kind=row.kind, name=row.name, day=row.day, last_day=row.last_day, users=0)
        seen = by_last_day.setdefault((row.kind, row.name, row.last_day), none)
        moved = max(0, min(row.users - seen.users, new.users))
        seen.users += moved
        new.users -= moved
    return [row for row in by_last_day.values() if row.users]
