"""Finds the same user's session before or after each of many: any one, or one with the same value.

Each is a look-up along an index, whatever the database knows of the rows: mostly the user's index. For a user
who has many new playouts at once (such as one id for all visitors), it is the index of the playout.
"""

import collections
import datetime
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

from django.db.models import Exists, OuterRef, Subquery

from ..core.batches import batched
from ..core.uuid7 import lowest_id, millisecond_of
from ..database import keyset
from ..models import TrackingSession, TrackingSessionQuerySet
from ..models.expressions import WithoutIndex
from ..models.rollups import Dimension, LateSession
from . import recent
from .aggregates import FIELDS, WITH_USERS
from .daily_counts import Changes
from .rows import ID, Row
from .site_days import start_of

MANY = 20
"""A user with so many values in one look-up is searched by playout, or once for all providers or sources."""

NOT_INDEXED = (Dimension.PROVIDER, Dimension.SOURCE)

_BATCH = 1000

Near = Sequence[int | None]
"""The start of another session of the same user, in milliseconds since 1970, for each of `WITH_USERS`.

It is that of any session, then of one with the same playout, provider and source; None if there is none.
"""

NOTHING: Near = (None,) * len(WITH_USERS)
_ONE_DAY = datetime.timedelta(days=1)


def before(
    alias: str, rows: Sequence[Row], daily: Changes, dimensions: Collection[Dimension] = WITH_USERS
) -> list[Near]:
    """Return, for each row, the same user's last sessions before it.

    `rows` are all stored sessions of a time, in the order of their ids. `daily` knows all that is counted
    before them. Only the starts for the `dimensions` are looked for wherever they are.
    """
    seen, unknown = recent.starts(alias, rows)
    found: list[Near] = []
    open_: dict[Dimension, list[int]] = {dimension: [] for dimension in dimensions}
    for number, (row, near) in enumerate(zip(rows, _within(rows, seen), strict=True)):
        found.append(near)
        if row.user in unknown:
            for dimension, start in zip(WITH_USERS, near, strict=True):
                if start is None and dimension in open_:
                    open_[dimension].append(number)
    for dimension, numbers in open_.items():
        wanted = [rows[number] for number in numbers]
        starts: Starts = {}
        if dimension in NOT_INDEXED:
            wanted, starts = _of_busy_users(alias, dimension, wanted, daily, rows[0].pk)
        starts.update(_before(alias, dimension, wanted, daily))
        for number in numbers:
            found[number] = _with(found[number], dimension, starts.get(rows[number].text))
    return found


def around(
    alias: str, rows: Sequence[Row], daily: Changes, until: uuid.UUID
) -> tuple[list[Near], list[Near]]:
    """Return, for each row, the same user's last counted sessions before it, and the first ones after it.

    `rows` are late sessions in the order of their ids. They are counted one after the other: those before a
    row are counted, those after it are not, nor are others with a note (`LateSession`) or from `until` on.
    """
    wanted = [row for row in rows if row.user is not None]
    earlier = {dimension: _before(alias, dimension, wanted, daily) for dimension in WITH_USERS}
    later = {dimension: _after(alias, dimension, wanted, daily, until) for dimension in WITH_USERS}
    stored = [tuple(earlier[dimension].get(row.text) for dimension in WITH_USERS) for row in rows]
    return (
        list(map(_later, stored, _within(rows, {}))),
        [tuple(later[dimension].get(row.text) for dimension in WITH_USERS) for row in rows],
    )


def _later(near: Near, other: Near) -> Near:
    """Return the later start of both, for each dimension."""
    pairs = zip(near, other, strict=True)
    return tuple(max((start for start in pair if start is not None), default=None) for pair in pairs)


def _with(near: Near, dimension: Dimension, start: int | None) -> Near:
    place = WITH_USERS.index(dimension)
    return (*near[:place], start, *near[place + 1 :])


def _within(rows: Iterable[Row], seen: recent.Seen) -> Iterator[Near]:
    """Yield, for each row, the same user's last sessions before it: among the rows, else those in `seen`."""
    for row in rows:
        if row.user is None:
            yield NOTHING
            continue
        keys = recent.keys_of(row.user, *row.names)
        yield tuple(map(seen.get, keys))
        seen.update(dict.fromkeys(keys, row.start))


def _value(row: Row, dimension: Dimension) -> str | None:
    return ("", row.playout, row.provider, row.source)[WITH_USERS.index(dimension)]


Starts = dict[str, int]
"""The start of another session, in milliseconds since 1970, by the text of a row."""


def _before(alias: str, dimension: Dimension, wanted: Sequence[Row], daily: Changes) -> Starts:
    others = TrackingSession.objects.using(alias).filter(session_id__lt=OuterRef("session_id"))
    found: Starts = {}
    for part, days in _parts(dimension, wanted, daily.first_days):
        rows = _from(others, days[0]) if days else others
        found.update(_nearest(rows.order_by("-session_id"), dimension, part))
    return found


def _of_busy_users(
    alias: str, dimension: Dimension, wanted: Sequence[Row], daily: Changes, end: uuid.UUID
) -> tuple[list[Row], Starts]:
    """Look up the values of each user with many of them together, before `end`; return the other rows, too.

    So all sessions of such a user are read once, and not once for each value.
    """
    by_user: dict[str | None, list[Row]] = collections.defaultdict(list)
    for row in wanted:
        by_user[row.user].append(row)
    others: list[Row] = []
    found: Starts = {}
    for user, rows in by_user.items():
        if len(rows) < MANY:
            others += rows
            continue
        days = daily.first_days(dimension, filter(None, (_value(row, dimension) for row in rows)))
        if days:
            stored = _from(TrackingSession.objects.using(alias).all(), min(days.values()))
            starts = _last_starts(stored.filter(user_id=user, session_id__lt=end), FIELDS[dimension], {*days})
            known = ((row.text, starts.get(_value(row, dimension))) for row in rows)
            found.update((text, start) for text, start in known if start is not None)
    return others, found


def _from(rows: TrackingSessionQuerySet, day: datetime.date) -> TrackingSessionQuerySet:
    return rows.filter(session_id__gte=lowest_id(start_of(day)))


def _last_starts(rows: TrackingSessionQuerySet, column: str, values: set[str]) -> dict[str | None, int]:
    """Return the start of the last session with each value."""
    found: dict[str | None, int] = {}
    those = rows.filter(**{f"{column}__in": values}).order_by("-session_id").values_list("session_id", column)
    for batch in keyset.batches(those, "session_id", _BATCH, descending=True):
        for pk, value in batch:
            found.setdefault(value, millisecond_of(pk))
        if len(found) == len(values):
            break
    return found


def _after(
    alias: str, dimension: Dimension, wanted: Sequence[Row], daily: Changes, until: uuid.UUID
) -> Starts:
    late = LateSession.objects.using(alias).filter(pk=OuterRef("session_id"))
    counted = TrackingSession.objects.using(alias).filter(~Exists(late), session_id__lt=until)
    others = counted.filter(session_id__gt=OuterRef("session_id"))
    found: Starts = {}
    for part, days in _parts(dimension, wanted, daily.last_days):
        rows = others.filter(session_id__lt=lowest_id(start_of(days[-1] + _ONE_DAY))) if days else others
        found.update(_nearest(rows.order_by("session_id"), dimension, part))
    return found


Days = Callable[[Dimension, Iterable[str]], dict[str, datetime.date]]


def _parts(
    dimension: Dimension, wanted: Sequence[Row], days_of: Days
) -> Iterator[tuple[list[Row], list[datetime.date]]]:
    """Yield rows to look up together, and the days of their values, sorted; no days for all time.

    Providers and sources have no index, but the numbers of days know since when and until when there were
    sessions with a value.
    """
    rows = [row for row in wanted if _value(row, dimension) is not None]
    if dimension not in NOT_INDEXED:
        yield from ((part, []) for part in batched(rows, _BATCH))
        return
    days = days_of(dimension, {str(_value(row, dimension)) for row in rows})
    found = [(days[value], row) for row in rows if (value := str(_value(row, dimension))) in days]
    # Those with the same day are beside each other.
    for part in batched(sorted(found), _BATCH):
        yield [row for _, row in part], [day for day, _ in part]


def _nearest(others: TrackingSessionQuerySet, dimension: Dimension, rows: list[Row]) -> Starts:
    playouts = collections.Counter(row.user for row in rows if dimension is Dimension.PLAYOUT)
    found: Starts = {}
    for by_playout in (False, True):
        ids = [row.pk for row in rows if (playouts[row.user] >= MANY) is by_playout]
        nearest = _of_same_user(others, dimension, by_playout=by_playout).values("session_id")[:1]
        asked = (
            TrackingSession.objects.using(others.db).filter(pk__in=ids).annotate(nearest=Subquery(nearest))
        )
        pairs: Any = asked.order_by().annotate(text=ID).values_list("text", "nearest")
        found.update((text, millisecond_of(other)) for text, other in pairs if other is not None)
    return found


def _of_same_user(others: Any, dimension: Dimension, *, by_playout: bool) -> Any:
    if dimension is Dimension.SITE:
        return others.filter(user_id=OuterRef("user_id"))
    column = FIELDS[dimension]
    indexed, other = (column, "user_id") if by_playout else ("user_id", column)
    # Without statistics, PostgreSQL might else read all rows of a playout.
    others = others.annotate(unindexed=WithoutIndex(other)).filter(unindexed=OuterRef(other))
    return others.filter(**{indexed: OuterRef(indexed)})
