"""A playout's sessions and users by hours or days of any zone.

Whole days of the site's own zone come from the rollups. Hours and days of all zones come from the windows
that are stored for each quarter-hour. The rest is counted live.
"""

import dataclasses
import datetime
import itertools
from collections.abc import Iterator
from typing import Any

from django.db import connections, router

from ..core.batches import batched
from ..core.uuid7 import first_id
from ..database.errors import translating_errors
from ..models import TrackingSession
from ..models.rollups import Dimension
from . import buckets, site_days, windows
from .buckets import Interval
from .statistics import Filters, by_day, rolled_up_until
from .windows import Span

_BUCKETS_PER_QUERY = 200

_Range = tuple[int, datetime.datetime, datetime.datetime, datetime.datetime]


@dataclasses.dataclass(frozen=True, slots=True)
class Bucket:
    """The numbers of an hour or day. `start` is aware; `users` are distinct, anonymous sessions add none."""

    start: datetime.datetime
    sessions: int
    users: int


def timeseries(
    playout_id: str,
    start: datetime.datetime,
    end: datetime.datetime,
    interval: Interval,
    zone: datetime.tzinfo,
) -> list[Bucket]:
    """Count a playout's sessions from `start` to before `end` (aware times), empty buckets included.

    `interval` is HOUR or DAY of `jay_sessions.analytics.buckets.Interval`. The buckets are whole ones of
    `zone`, but the first and the last count only sessions in the range. Raises InvalidValue for a range that
    is empty or has more than 10,000 buckets, and StoreUnavailable.
    """
    aligned = buckets.starts(start, end, interval, zone)
    if interval is Interval.DAY and aligned[0] == start:
        rolled_up = _rolled_up(playout_id, aligned, end)
        if rolled_up is not None:
            return rolled_up
    edges = [moment.astimezone(datetime.UTC) for moment in (start, *aligned[1:], end)]
    spans = zip(aligned, itertools.pairwise(edges), strict=True)
    points: list[Bucket] = []
    with translating_errors():
        for batch in batched(spans, _BUCKETS_PER_QUERY):
            counts = _counts(playout_id, interval, [span for _, span in batch])
            points += [Bucket(start, *count) for (start, _), count in zip(batch, counts, strict=True)]
    return points


def _rolled_up(playout_id: str, days: list[datetime.datetime], end: datetime.datetime) -> list[Bucket] | None:
    """Return the numbers of whole days of the site's own zone; None if the rollups do not have them."""
    zone = days[0].tzinfo
    until = rolled_up_until() if str(zone) == str(site_days.zone()) else None
    if zone is None or until is None or until < days[-1]:
        return None
    if end < min(Interval.DAY.after(days[-1], zone), until):
        return None
    first, after = days[0].date(), days[-1].date() + datetime.timedelta(days=1)
    if len(days) != (after - first).days:
        # The zone skipped a day, because it moved over the date line.
        return None
    metrics = by_day(Filters(Dimension.PLAYOUT, playout_id), first, after, end)
    return [Bucket(day, of.sessions, of.users) for day, of in zip(days, metrics, strict=True)]


def _counts(playout_id: str, interval: Interval, spans: list[Span]) -> Iterator[tuple[int, int]]:
    """Yield the sessions and users of each span: the stored counts, and the sessions since then."""
    # A run of the rollups meanwhile changes nothing: each stored count says up to which time it counts.
    kept = windows.known(playout_id, interval, spans)
    rest = [
        (number, begin, known.until, end)
        for number, ((begin, end), known) in enumerate(zip(spans, kept, strict=True))
        if known.until < end
    ]
    live = _count(playout_id, rest) if rest else {}
    for number, known in enumerate(kept):
        sessions, users = live.get(number, (0, 0))
        yield known.sessions + sessions, known.users + users


def _count(playout_id: str, ranges: list[_Range]) -> dict[int, tuple[int, int]]:
    """Return, by number, the sessions of each range's second part and its users missing in the first part.

    A range is a number, its start, the start of its second part, and its end.
    """
    # A subquery makes one index look-up per bucket. The databases plan a join with so many ranges badly,
    # and grouping by the wall clock would merge an hour that it shows twice.
    connection = connections[router.db_for_read(TrackingSession)]
    quote = connection.ops.quote_name
    key = TrackingSession._meta.pk
    table = quote(TrackingSession._meta.db_table)
    rows = (
        f"FROM {table} AS session WHERE playout_id = %s AND session_id >= second AND session_id < following"
    )
    seen = (
        f"SELECT 1 FROM {table} AS earlier WHERE earlier.user_id = session.user_id "  # noqa: S608 (our own names, quoted)
        "AND earlier.playout_id = %s AND earlier.session_id >= first AND earlier.session_id < second"
    )
    parameters: list[Any] = []
    for number, *edges in ranges:
        parameters += [number, *(key.get_db_prep_value(first_id(edge), connection) for edge in edges)]
    values = ", ".join(["(%s, %s, %s, %s)"] * len(ranges))
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH bucket(number, first, second, following) AS (VALUES {values}) "  # noqa: S608 (our own names, quoted)
            f"SELECT number, (SELECT COUNT(*) {rows}), (SELECT COUNT(DISTINCT user_id) {rows} "
            f"AND (first = second OR NOT EXISTS ({seen}))) FROM bucket",
            [*parameters, playout_id, playout_id, playout_id],
        )
        return {number: (sessions, users) for number, sessions, users in cursor.fetchall()}
