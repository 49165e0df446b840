"""The numbers behind charts and endpoints: half-open ranges of time in, plain values out."""

import dataclasses
import datetime
import itertools
import uuid
from collections.abc import Iterator
from typing import Any

from django.db import connections, router

from . import buckets
from .buckets import Interval
from .models import TrackingSession
from .store import available
from .uuid7 import first_id

_BUCKETS_PER_QUERY = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Bucket:
    """What began in an hour or day: `start` is aware, `users` are distinct, anonymous sessions none."""

    start: datetime.datetime
    sessions: int
    users: int


def over_time(
    playout_id: str,
    start: datetime.datetime,
    end: datetime.datetime,
    interval: Interval,
    zone: datetime.tzinfo,
) -> list[Bucket]:
    """Count a playout's sessions from `start` to before `end` (aware times), empty buckets included.

    The buckets are whole ones of `zone`; the first and the last count only what lies in the range.
    Raises InvalidValue for a range that `buckets.starts` refuses, and StoreUnavailable.
    """
    aligned = buckets.starts(start, end, interval, zone)
    edges = [first_id(moment) for moment in (start, *aligned[1:], end)]
    ranges = zip(aligned, itertools.pairwise(edges), strict=True)
    found: list[Bucket] = []
    with available():
        while batch := list(itertools.islice(ranges, _BUCKETS_PER_QUERY)):
            counts = _count(playout_id, [edges for _, edges in batch])
            found += [Bucket(start, *count) for (start, _), count in zip(batch, counts, strict=True)]
    return found


def _count(playout_id: str, ranges: list[tuple[uuid.UUID, uuid.UUID]]) -> Iterator[tuple[int, int]]:
    # One look into the index per bucket, by a subquery: the databases plan a join with so many ranges
    # badly, and grouping by what the clock shows would put an hour that it shows twice into one.
    connection = connections[router.db_for_read(TrackingSession)]
    quote = connection.ops.quote_name
    key = TrackingSession._meta.pk
    rows = (
        f"FROM {quote(TrackingSession._meta.db_table)} "
        "WHERE playout_id = %s AND session_id >= first AND session_id < following"
    )
    parameters: list[Any] = []
    for number, edges in enumerate(ranges):
        parameters += [number, *(key.get_db_prep_value(edge, connection) for edge in edges)]
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH bucket(number, first, following) AS (VALUES {', '.join(['(%s, %s, %s)'] * len(ranges))}) "  # noqa: S608 (our own names, quoted)
            f"SELECT (SELECT COUNT(*) {rows}), (SELECT COUNT(DISTINCT user_id) {rows}) "
            "FROM bucket ORDER BY number",
            [*parameters, playout_id, playout_id],
        )
        yield from cursor.fetchall()
