"""Sessions as counts by day, and users by the day on which they had been there before.

One look at the raw rows, for the rollups and for what they do not hold yet. A user is there on a day
with the first session of that day; those who had been there on the same day count no more.
"""

import datetime
from collections.abc import Iterable
from typing import Any

from django.db.models import Count, DurationField, ExpressionWrapper, F, OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import TruncDate

from .models import TrackingSession
from .querysets import TrackingSessionQuerySet
from .rollup_models import Kind

FIELDS = {
    Kind.PLAYOUT: "playout_id",
    Kind.PROVIDER: "provider_name",
    Kind.SOURCE: "source",
    Kind.DEVICE: "zephr_session__device",
    Kind.COUNTRY: "zephr_session__country",
}
"""The column that a kind is counted by; the site is all of it."""

WITH_USERS = (Kind.SITE, Kind.PLAYOUT, Kind.PROVIDER, Kind.SOURCE)
"""What users are counted by, too."""

_DURATION = ExpressionWrapper(F("ended_at") - F("started_at"), output_field=DurationField())


def counts(rows: TrackingSessionQuerySet, kind: Kind, zone: datetime.tzinfo) -> Iterable[Any]:
    """Return `name`, `day`, `sessions`, `ended` and `ended_duration` (None without any) of the rows."""
    return (
        _named(rows, kind)
        .annotate(day=TruncDate("started_at", tzinfo=zone))
        .values("name", "day")
        .annotate(sessions=Count("*"), ended=Count("ended_at"), ended_duration=Sum(_DURATION))
        .order_by()
    )


def users(rows: TrackingSessionQuerySet, kind: Kind, zone: datetime.tzinfo) -> Iterable[Any]:
    """Return `name`, `day`, `last_day` and `users` of the rows; the past is looked up in all rows."""
    before = TrackingSession.objects.using(rows.db).filter(
        user_id=OuterRef("user_id"), session_id__lt=OuterRef("session_id")
    )
    if kind in FIELDS:
        before = before.filter(**{FIELDS[kind]: OuterRef(FIELDS[kind])})
    last = before.order_by("-session_id").annotate(was=TruncDate("started_at", tzinfo=zone)).values("was")[:1]
    return (
        _named(rows.filter(user_id__isnull=False), kind)
        .annotate(day=TruncDate("started_at", tzinfo=zone), last_day=Subquery(last))
        .filter(Q(last_day__isnull=True) | Q(last_day__lt=F("day")))
        .values("name", "day", "last_day")
        .annotate(users=Count("*"))
        .order_by()
    )


def _named(rows: TrackingSessionQuerySet, kind: Kind) -> TrackingSessionQuerySet:
    if kind is Kind.SITE:
        return rows.annotate(name=Value(""))
    return rows.filter(**{f"{FIELDS[kind]}__isnull": False}).annotate(name=F(FIELDS[kind]))
