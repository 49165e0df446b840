"""Notes of rolled-up days that changed. The next run of the rollups counts them again.

If sessions were added, their day and all later days change: such a note is moved on from day to day.
"""

import datetime
from collections.abc import Iterable
from typing import NamedTuple

from django.db import router
from django.db.models import QuerySet

from ..core.uuid7 import moment_of
from ..database import clock
from ..database.clock import MARGIN
from ..models import TrackingSession
from ..models.rollups import ChangedDay
from . import aggregates, site_days
from .site_days import day_of

_BATCH = 1000


def note_ended(session: TrackingSession) -> None:
    """Note, in the transaction of the end itself, that an earlier day must be counted again.

    Every run counts the current day anyway. It is noted too if it may be over by a correct clock.
    """
    if is_past(session):
        note_changed([day_of(moment_of(session.session_id))])


def is_past(session: TrackingSession) -> bool:
    """Say whether an ended session's day may be over."""
    ended_at = session.ended_at
    return ended_at is not None and day_of(moment_of(session.session_id)) != day_of(ended_at + MARGIN)


def note_changed(days: Iterable[datetime.date]) -> None:
    """Note that sessions of these days changed, in the transaction that changes them."""
    _notes().bulk_create(ChangedDay(day=day) for day in days)


def note_enriched(zephr_session_id: str) -> None:
    """Note that the days of all sessions linked to this Zephr session must be counted again."""
    rows = TrackingSession.objects.primary().filter(zephr_session_id=zephr_session_id)
    days = rows.annotate(day=aggregates.day_in(site_days.zone())).values_list("day", flat=True)
    note_changed(days.order_by().distinct().exclude(day=day_of(clock.now(rows.db))))


def note_added(days: Iterable[datetime.date]) -> None:
    """Note, in the transaction that adds sessions of these days, that they and all later days changed."""
    _notes().bulk_create(ChangedDay(day=day, onward=True) for day in days)


def first_added() -> datetime.date | None:
    """Return the first day with a note that sessions were added, else None."""
    return _notes().filter(onward=True).order_by("day").values_list("day", flat=True).first()


def before(day: datetime.date) -> list[datetime.date]:
    """Return the days with notes before `day`, in their order."""
    noted = _notes().filter(day__lt=day).order_by("day")
    return list(noted.values_list("day", flat=True).distinct())


class Note(NamedTuple):
    """A note by its id; `onward`: it holds for all later days too."""

    pk: int
    onward: bool


def notes_of(day: datetime.date) -> list[Note]:
    """Return the day's notes. Read them before counting: the count may miss what a later note is about."""
    return [Note(*row) for row in _notes().filter(day=day).values_list("pk", "onward")]


def forget(notes: list[Note], following: datetime.date | None) -> None:
    """Remove notes, in the transaction that stores the counts made after the notes were read.

    If a note holds for later days, it moves on to the day `following`, if that must be counted again.
    """
    for begin in range(0, len(notes), _BATCH):
        _notes().filter(pk__in=[note.pk for note in notes[begin : begin + _BATCH]]).delete()
    if following is not None and any(note.onward for note in notes):
        note_added([following])


def _notes() -> QuerySet[ChangedDay]:
    return ChangedDay.objects.using(router.db_for_write(ChangedDay))
