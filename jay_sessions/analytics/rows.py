"""Reads of each session what the rollups count."""

import datetime
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from django.db.models import TextField
from django.db.models.functions import Cast

from ..models import TrackingSession, TrackingSessionQuerySet
from ..models.ended import COUNTED

_FIELDS = (
    "text",
    "playout_id",
    "provider_name",
    "source",
    "zephr_session__device",
    "zephr_session__country",
    "user_id",
    "api_key_id",
    "started_at",
    "end__reason",
    "end__ended_at",
    "zephr_session_id",
)
ID = Cast("session_id", TextField())
"""A session's id as `Row.text` has it."""

_CHUNK = 2000
_PART = 20_000
_MICROSECOND = datetime.timedelta.resolution


Names = tuple[str | None, ...]
"""A session's names in all dimensions but SITE, in the order of `Dimension`; None if it has none."""


class Row(NamedTuple):
    """What is counted of a session.

    The id is a text, as Python's garbage collector would look at each UUID again and again.
    """

    text: str
    playout: str
    provider: str | None
    source: str
    device: str | None
    country: str | None
    user: str | None
    api_key: int | None
    started_at: datetime.datetime
    reason: str | None
    ended_at: datetime.datetime | None
    zephr: str | None

    @property
    def pk(self) -> uuid.UUID:
        """The session's id."""
        return uuid.UUID(self.text)

    @property
    def start(self) -> int:
        """The time in the session's id, in milliseconds since 1970."""
        return int(self.text.replace("-", "", 1)[:12], 16)

    @property
    def names(self) -> Names:
        """The session's names; see `Names`."""
        return self[1:6]

    @property
    def duration(self) -> int | None:
        """How long the session took, in microseconds; None if nobody has ended it."""
        if self.ended_at is None or self.reason not in COUNTED:
            return None
        return (self.ended_at - self.started_at) // _MICROSECOND


def read(rows: TrackingSessionQuerySet, most: int | None = None) -> list[Row]:
    """Return what is counted of the sessions, or of the first ones, in the order of their ids."""
    return [Row(*values) for values in _values(rows.order_by("session_id"))[:most]]


def parts(rows: TrackingSessionQuerySet) -> Iterator[list[Row]]:
    """Yield what is counted of sessions, in the order of their ids, in lists of bounded size."""
    part = read(rows, _PART)
    while part:
        yield part
        part = read(rows.filter(session_id__gt=part[-1].pk), _PART) if len(part) == _PART else []


def iterate(rows: TrackingSessionQuerySet) -> Iterator[Row]:
    """Yield what is counted of any number of sessions, in no order."""
    for values in _values(rows.order_by()).iterator(_CHUNK):
        yield Row(*values)


def _values(rows: TrackingSessionQuerySet) -> Any:
    return rows.annotate(text=ID).values_list(*_FIELDS)


def linked(zephr_session_ids: Iterable[str], alias: str) -> TrackingSessionQuerySet:
    """Return the sessions that are linked to these Zephr sessions."""
    return TrackingSession.objects.using(alias).filter(zephr_session_id__in=list(zephr_session_ids))
