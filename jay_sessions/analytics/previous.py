"""Finds the user's session before or after each of many sessions: any one, or one with the same value.

Each is a look-up along an index, whatever the database knows of the rows: mostly the user's index. For a user
who has many new values at once (such as one id for all visitors), it is the index of the value.
"""

import collections
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from django.db import connections
from django.db.models import Exists, OuterRef, Subquery

from ..core.batches import batched
from ..core.uuid7 import millisecond_of
from ..models import TrackingSession, TrackingSessionQuerySet
from ..models.expressions import WithoutIndex
from ..models.rollups import Dimension, LateSession
from .aggregates import FIELDS, WITH_USERS

MANY_VALUES = 20
"""A user with so many values in one look-up is searched among the sessions of each value."""

_BATCH = 1000

RECENT = 100
"""How many of a user's sessions are read at once. If they do not tell, others are looked up one by one."""

Wanted = tuple[uuid.UUID, str]
"""A session's id and its user."""

Starts = dict[uuid.UUID, int]
"""The start of the nearest other session, in milliseconds since 1970, by the id of a session."""


def recent(
    alias: str, first: uuid.UUID, last: uuid.UUID
) -> tuple[dict[Dimension, Starts], set[uuid.UUID] | None]:
    """Return the starts as `before` does, as far as the `RECENT` sessions of each user before it tell.

    It is for all sessions from `first` to `last` at once. The second result are the ids of the sessions for
    which others may be further back; None if that holds for all. One query instead of four look-ups for each.
    """
    found: dict[Dimension, Starts] = {dimension: {} for dimension in WITH_USERS}
    if connections[alias].vendor != "postgresql":
        return found, None
    unknown = set()
    with connections[alias].cursor() as cursor:
        cursor.execute(_RECENT, [RECENT, first, last])
        for pk, count, *nearest in cursor.fetchall():
            for starts, text in zip(found.values(), nearest, strict=True):
                if text is not None:
                    starts[pk] = int(text[:8] + text[9:13], 16)
            if count == RECENT:
                unknown.add(pk)
    return found, unknown


# The user's index serves the innermost query. The first of each array is the nearest, as in its order.
_RECENT = """
SELECT session.session_id, earlier.*
FROM jay_tracking_session AS session CROSS JOIN LATERAL (
    SELECT
        count(*),
        (array_agg(one.session_id))[1]::text,
        (array_agg(one.session_id) FILTER (WHERE one.playout_id = session.playout_id))[1]::text,
        (array_agg(one.session_id) FILTER (WHERE one.provider_name = session.provider_name))[1]::text,
        (array_agg(one.session_id) FILTER (WHERE one.source = session.source))[1]::text
    FROM (
        SELECT session_id, playout_id, provider_name, source
        FROM jay_tracking_session AS other
        WHERE other.user_id = session.user_id AND other.session_id < session.session_id
        ORDER BY other.session_id DESC
        LIMIT %s
    ) AS one
) AS earlier
WHERE session.session_id BETWEEN %s AND %s AND session.user_id IS NOT NULL
"""


def before(alias: str, dimension: Dimension, wanted: Iterable[Wanted]) -> Starts:
    """Return the start of the user's last session before each session, for those that have one."""
    others = TrackingSession.objects.using(alias).filter(session_id__lt=OuterRef("session_id"))
    return _nearest(others.order_by("-session_id"), dimension, wanted)


def after(alias: str, dimension: Dimension, wanted: Iterable[Wanted], until: uuid.UUID) -> Starts:
    """Return the start of the user's first counted session after each session, for those that have one.

    Sessions with ids from `until` on, and those with a note (`LateSession`), are not counted.
    """
    late = LateSession.objects.using(alias).filter(pk=OuterRef("session_id"))
    rows = TrackingSession.objects.using(alias).filter(~Exists(late), session_id__lt=until)
    others = rows.filter(session_id__gt=OuterRef("session_id"))
    return _nearest(others.order_by("session_id"), dimension, wanted)


def _nearest(others: TrackingSessionQuerySet, dimension: Dimension, wanted: Iterable[Wanted]) -> Starts:
    rows = TrackingSession.objects.using(others.db).order_by()
    found: Starts = {}
    for ids, by_value in _parts(dimension, list(wanted)):
        nearest = _of_same_user(others, dimension, by_value=by_value).values("session_id")[:1]
        for batch in batched(ids, _BATCH):
            asked = rows.filter(pk__in=batch).annotate(nearest=Subquery(nearest))
            pairs: Any = asked.values_list("session_id", "nearest")
            found.update((pk, millisecond_of(other)) for pk, other in pairs if other is not None)
    return found


def _parts(dimension: Dimension, wanted: list[Wanted]) -> Iterator[tuple[list[uuid.UUID], bool]]:
    """Yield the ids to look up by the users' index, then those by the index of the value."""
    if dimension is Dimension.SITE:
        yield [pk for pk, _ in wanted], False
        return
    values = collections.Counter(user for _, user in wanted)
    yield [pk for pk, user in wanted if values[user] < MANY_VALUES], False
    yield [pk for pk, user in wanted if values[user] >= MANY_VALUES], True


def _of_same_user(others: Any, dimension: Dimension, *, by_value: bool) -> Any:
    if dimension is Dimension.SITE:
        return others.filter(user_id=OuterRef("user_id"))
    column = FIELDS[dimension]
    indexed, other = (column, "user_id") if by_value else ("user_id", column)
    # Without statistics, PostgreSQL might else read all rows of a source or a provider.
    others = others.annotate(unindexed=WithoutIndex(other)).filter(unindexed=OuterRef(other))
    return others.filter(**{indexed: OuterRef(indexed)})
