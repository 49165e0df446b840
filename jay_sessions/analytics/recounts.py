"""Counts days anew, one after the other, from one on which sessions were not counted.

A day that has lost sessions keeps its numbers. Each day is a transaction. A run that is cut off leaves the
rest to the next one. Late sessions of a day are counted with it.
"""

import datetime
from collections.abc import Iterator

from django.db import router

from ..core.uuid7 import first_id
from ..database.errors import tried_again
from ..models import TrackingSession
from ..models.rollups import DailyCount, Dimension, LateSession, RollupState
from . import daily_counts, previous, rollup_state, uncounted, windows
from .counting import Counts
from .daily_counts import Users
from .rows import Row, parts
from .site_days import start_of
from .steps import Step, settle

_ONE_DAY = datetime.timedelta(days=1)
_BATCH = 500


def run(first: datetime.date | None) -> Iterator[Step]:
    """Count the marked days anew, and all days from `first` on if it is given; yield each."""
    gone, is_first = _prepare(first), True
    while step := _next(gone, is_first=is_first):
        yield step
        is_first = False


@tried_again
def _prepare(first: datetime.date | None) -> datetime.date | None:
    """Mark days from `first` on; return the last day with counted sessions that are gone.

    Deleted sessions cannot tell which users were there before.
    """
    with rollup_state.locked() as state:
        if first is not None:
            state.recount_from = min(first, state.recount_from or first)
        if state.recount_from is None or state.rolled_until is None:
            return None
        return daily_counts.gone_until(state.rolled_until)


@tried_again
def _next(gone: datetime.date | None, *, is_first: bool) -> Step | None:
    with rollup_state.locked() as state:
        until = state.rolled_until
        if state.recount_from is None or until is None:
            return None
        day = uncounted.first_session_from(state.recount_from)
        if day is None or start_of(day) >= until:
            state.recount_from = None
            return None
        ends = settle(state)
        others = _recount(state, day, until, gone, is_first=is_first)
        state.recount_from = day + _ONE_DAY
        return Step(ends=ends, others=others, recounted=day)


def _recount(
    state: RollupState,
    day: datetime.date,
    until: datetime.datetime,
    gone: datetime.date | None,
    *,
    is_first: bool,
) -> int:
    others = 0
    if daily_counts.is_whole(day, until):
        others = _count(state, day, until, gone)
    else:
        daily_counts.note_uncounted(day, until)
    # The windows of the day before reach into this day.
    for begun in ([day - _ONE_DAY] if is_first else []) + [day]:
        if daily_counts.is_whole(begun, until):
            _count_windows(begun, until)
    notes = LateSession.objects.using(_alias())
    notes.filter(session_id__gte=first_id(start_of(day)), session_id__lt=first_id(_end(day, until))).delete()
    uncounted.remeasure(state, start_of(day), _end(day, until))
    return others


def _count(
    state: RollupState, day: datetime.date, until: datetime.datetime, gone: datetime.date | None
) -> int:
    returning = _returning(day, gone)
    daily_counts.forget([day])
    prefix = f"{day.toordinal()} "
    state.names = {key: count for key, count in state.names.items() if not key.startswith(prefix)}
    others = 0
    for rows in _parts(start_of(day), _end(day, until)):
        counts = Counts(state.names, frozenset())
        counts.add(rows, previous.before(_alias(), rows, counts.daily))
        counts.store(until)
        others += counts.others
    _keep_returning(day, returning)
    return others


def _count_windows(day: datetime.date, until: datetime.datetime) -> None:
    windows.forget(start_of(day), start_of(day + _ONE_DAY))
    # The last 24-hour window begins shortly before the day's end.
    for rows in _parts(start_of(day), min(start_of(day + _ONE_DAY) + _ONE_DAY, until)):
        counts = Counts({}, frozenset([day.toordinal()]))
        counts.add(rows, previous.before(_alias(), rows, counts.daily, [Dimension.PLAYOUT]), daily=False)
        counts.windows.store(until, _without_numbers(day, {row.playout for row in rows}))


def _without_numbers(day: datetime.date, playouts: set[str]) -> set[str]:
    """Return those of the playouts that have no numbers of their own on the day and the one after it."""
    days = [day, day + _ONE_DAY]
    stored = DailyCount.objects.using(_alias()).filter(day__in=days, kind=Dimension.PLAYOUT)
    return playouts.difference(stored.filter(name__in=playouts).values_list("name", flat=True))


def _parts(begin: datetime.datetime, end: datetime.datetime) -> Iterator[list[Row]]:
    return parts(TrackingSession.objects.primary().started_between(begin, end))


def _returning(day: datetime.date, gone: datetime.date | None) -> dict[tuple[str, str], Users]:
    """Return the day's users who were there before on days that are gone."""
    if gone is None:
        return {}
    rows = DailyCount.objects.using(_alias()).filter(day=day).exclude(users="")
    found = {}
    for kind, name, packed in rows.values_list("kind", "name", "users"):
        users = {back: count for back, count in daily_counts.unpack(packed) if back >= (day - gone).days > 0}
        if users:
            found[kind, name] = users
    return found


def _keep_returning(day: datetime.date, returning: dict[tuple[str, str], Users]) -> None:
    """Let users stay returning: without the sessions of days that are gone, they look new."""
    rows = DailyCount.objects.using(_alias()).filter(day=day) if returning else []
    changed = []
    for row in rows:
        was = returning.get((row.kind, row.name), {})
        users = dict(daily_counts.unpack(row.users))
        for back, count in sorted(was.items()):
            moved = max(0, min(count - users.get(back, 0), users.get(0, 0)))
            users[back] = users.get(back, 0) + moved
            users[0] = users.get(0, 0) - moved
        packed = daily_counts.pack(users)
        if packed != row.users:
            row.users = packed
            changed.append(row)
    DailyCount.objects.using(_alias()).bulk_update(changed, ["users"], batch_size=_BATCH)


def _end(day: datetime.date, until: datetime.datetime) -> datetime.datetime:
    return min(start_of(day + _ONE_DAY), until)


def _alias() -> str:
    return router.db_for_write(RollupState)
