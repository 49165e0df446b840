"""Notes of days that are to be counted anew, though they were rolled up: for the next run of the rollups."""

import datetime

from django.db import router
from django.db.models import QuerySet
from django.db.models.functions import TruncDate

from . import site_days
from .models import TrackingSession
from .rollup_models import ChangedDay
from .site_days import day_of

_BATCH = 1000


def note_ended(session: TrackingSession) -> None:
    """Note, in the transaction of the end itself, that an earlier day is to be counted anew.

    The present one is by every run.
    """
    day = day_of(session.started_at)
    if session.ended_at is not None and day != day_of(session.ended_at):
        ChangedDay.objects.create(day=day)


def note_enriched(zephr_session_id: str) -> None:
    """Note that the days of the sessions that are linked to it are to be counted anew."""
    rows = TrackingSession.objects.primary().filter(zephr_session_id=zephr_session_id)
    days = rows.annotate(day=TruncDate("started_at", tzinfo=site_days.zone())).values_list("day", flat=True)
    earlier = days.order_by().distinct().exclude(day=site_days.today())
    ChangedDay.objects.bulk_create(ChangedDay(day=day) for day in earlier)


def before(day: datetime.date) -> list[datetime.date]:
    """Return the days before this one of which there are notes, in their order."""
    noted = _notes().filter(day__lt=day).order_by("day")
    return list(noted.values_list("day", flat=True).distinct())


def notes_of(day: datetime.date) -> list[int]:
    """Return the ids of the day's notes: whatever is noted later may not be among what is counted then."""
    return list(_notes().filter(day=day).values_list("pk", flat=True))


def forget(notes: list[int]) -> None:
    """Remove notes by their ids, in the transaction that keeps what was counted since they were read."""
    for begin in range(0, len(notes), _BATCH):
        _notes().filter(pk__in=notes[begin : begin + _BATCH]).delete()


def _notes() -> QuerySet[ChangedDay]:
    return ChangedDay.objects.using(router.db_for_write(ChangedDay))
