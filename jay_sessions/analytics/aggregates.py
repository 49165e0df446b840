"""Counts of sessions by day, and of users by day and by the day of their previous session.

One definition serves the rollups and the live count of newer rows. A user counts with the first session of
a day; further sessions on the same day add no user. A session's day comes from the time in its id, as in all
ranges of times.
"""

import datetime
from collections.abc import Iterable
from typing import Any

from django.db.models import Count, DurationField, ExpressionWrapper, F, OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import TruncDate

from ..models import TrackingSession, TrackingSessionQuerySet
from ..models.ended import COUNTED
from ..models.expressions import CarriedStart, WithoutIndex
from ..models.rollups import Dimension

FIELDS = {
    Dimension.PLAYOUT: "playout_id",
    Dimension.PROVIDER: "provider_name",
    Dimension.SOURCE: "source",
    Dimension.DEVICE: "zephr_session__device",
    Dimension.COUNTRY: "zephr_session__country",
}
"""The column for each dimension; the site has none, as it is all sessions."""

WITH_USERS = (Dimension.SITE, Dimension.PLAYOUT, Dimension.PROVIDER, Dimension.SOURCE)
"""The dimensions for which users are counted too."""

_ENDED = Q(end__reason__in=COUNTED)
_DURATION = ExpressionWrapper(F("end__ended_at") - F("started_at"), output_field=DurationField())


def day_in(zone: datetime.tzinfo) -> Any:
    """Return the expression for the day in which a session started."""
    return TruncDate(CarriedStart("session_id"), tzinfo=zone)


def counts(rows: TrackingSessionQuerySet, dimension: Dimension, day: Any) -> Iterable[Any]:
    """Return `name`, `day`, `sessions`, `ended` and `ended_duration` (None if none ended) of the rows.

    `day` is `day_in` a zone; if all rows are of one day, a `Value` of it is faster.
    """
    return (
        _named(rows, dimension)
        .annotate(day=day)
        .values("name", "day")
        .annotate(
            sessions=Count("*"),
            ended=Count("end", filter=_ENDED),
            ended_duration=Sum(_DURATION, filter=_ENDED),
        )
        .order_by()
    )


def users(
    rows: TrackingSessionQuerySet, dimension: Dimension, day: Any, zone: datetime.tzinfo
) -> Iterable[Any]:
    """Return `name`, `day`, `last_day` and `users` of the rows; `last_day` is looked up in all rows.

    `day` is as for `counts`, in `zone`. `last_day` is the day of the users' previous session, None for new
    users.
    """
    before = TrackingSession.objects.using(rows.db).filter(
        user_id=OuterRef("user_id"), session_id__lt=OuterRef("session_id")
    )
    if dimension in FIELDS:
        # By the user's index in any case: without statistics, PostgreSQL may read all rows of a source.
        value = WithoutIndex(FIELDS[dimension])
        before = before.annotate(value=value).filter(value=OuterRef(FIELDS[dimension]))
    last = before.order_by("-session_id").annotate(was=day_in(zone)).values("was")[:1]
    return (
        _named(rows.filter(user_id__isnull=False), dimension)
        .annotate(day=day, last_day=Subquery(last))
        .filter(Q(last_day__isnull=True) | Q(last_day__lt=F("day")))
        .values("name", "day", "last_day")
        .annotate(users=Count("*"))
        .order_by()
    )


def _named(rows: TrackingSessionQuerySet, dimension: Dimension) -> TrackingSessionQuerySet:
    if dimension is Dimension.SITE:
        return rows.annotate(name=Value(""))
    return rows.filter(**{f"{FIELDS[dimension]}__isnull": False}).annotate(name=F(FIELDS[dimension]))
