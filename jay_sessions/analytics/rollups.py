"""Counts of sessions by day, counted once and stored. `run` updates them, in any number of processes.

The days of the site's `TIME_ZONE` are rolled up one after the other. Each day has a transaction that locks
the state's row, so a second process continues where the first one is. In SQLite that would block all
other writers. So there a day is counted before the transaction, and again if another process was faster.

Every run counts the current day again. It counts an earlier day again if one of its sessions ended, or if a
late or imported session arrived. Such a session also changes all later days, as it may now be its user's
previous session. The progress is noted, so that another run continues a run that was cut off. The windows
for hours and days of other zones (`windows.py`) reach into the next day, and are counted with it.
"""

import contextlib
import dataclasses
import datetime
import zoneinfo
from collections.abc import Callable, Iterator
from functools import partial

from django.db import connections, router, transaction
from django.db.models import Model, QuerySet

from ..core.uuid7 import moment_of
from ..database import clock
from ..database.errors import translating_errors
from ..models import TrackingSession
from ..models.rollups import ChangedDay, DailyCount, DailyUsers, RollupState
from . import changed_days, day_rollups, early_counts, site_days, windows
from .changed_days import Note
from .day_rollups import Replacement, is_whole, rows_of, sessions_kept
from .site_days import day_of, start_of

SETTLE = datetime.timedelta(minutes=1)
"""Younger sessions are left for the next run, as older ones may still be committed after them."""

LATE = 7
"""Number of days before the current one in which every run looks for late sessions."""

_ONE_DAY = datetime.timedelta(days=1)
_STATE = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """A day that was counted, and how many days are left at most.

    `others` is the number of its sessions with another day in `started_at` than in the id; on the last day,
    later sessions are included.
    """

    day: datetime.date
    left: int
    others: int = 0


def run(*, rebuild: bool = False) -> Iterator[Step]:
    """Bring the rollups up to date; yield each day when it is done. Raises StoreUnavailable.

    `rebuild` counts every day again that still has all its sessions.
    """
    with translating_errors():
        days = _first_day(rebuild=rebuild)
        if days is None:
            return
        first, last = days
        # Deleted sessions cannot tell which users were there before.
        gone = day_rollups.gone_until(last) if first < last else None
        yield from _recount(first)
        day: datetime.date | None = first
        while day is not None:
            is_open = day >= last
            done = day
            day = _roll_up(day, last, keep=rebuild or not is_open, gone=None if is_open else gone)
            others = day_rollups.others(done, and_later=day is None)
            yield Step(done, 0 if day is None else (day_of(_limit()) - day).days + 1, others)


def _limit() -> datetime.datetime:
    return clock.now(_alias()) - SETTLE


def _alias() -> str:
    return router.db_for_write(RollupState)


def _first_day(*, rebuild: bool) -> tuple[datetime.date, datetime.date] | None:
    """Return the first day to count again, and the last counted day, which may be incomplete.

    None if there is nothing to count.
    """
    ids = TrackingSession.objects.primary().order_by("session_id").values_list("session_id", flat=True)
    oldest = ids.first()
    if oldest is None:
        return None
    begin = moment_of(oldest)
    first = day_of(begin)
    # Outside the transaction, as it may take long.
    early = early_counts.first_day(first, _limit()) if early_counts.mark_ahead() else None
    with transaction.atomic(_alias()):
        state, limit = _locked_state(), _limit()
        if state.zone != str(site_days.zone()):
            _forget_from(min(first, begin.astimezone(zoneinfo.ZoneInfo(state.zone)).date()))
            state.zone, state.rolled_until = str(site_days.zone()), None
            _save(state)
        elif early is not None and state.rolled_until is not None and state.rolled_until > limit:
            early_counts.put_right(state, early, limit)
            _save(state)
    if state.rolled_until is None:
        return first, first
    last = day_of(state.rolled_until)
    if not rebuild:
        first = min(_first_late_day(last), changed_days.first_added() or last)
    if first < last:
        changed_days.note_added([first])
    return first, last


def _states() -> QuerySet[RollupState]:
    return RollupState.objects.using(_alias())


def _locked_state() -> RollupState:
    state, _ = (
        _states().select_for_update().get_or_create(pk=_STATE, defaults={"zone": str(site_days.zone())})
    )
    return state


def _forget_from(day: datetime.date) -> None:
    # Days without their sessions keep their counts, made in the site's zone of that time. Windows are right
    # in any zone, and are replaced when their time is counted again.
    models: list[type[Model]] = [DailyCount, DailyUsers, ChangedDay]
    for model in models:
        model._default_manager.using(_alias()).filter(day__gte=day).delete()


def _first_late_day(last: datetime.date) -> datetime.date:
    """Return the first of the latest days with more sessions than were counted; else the last day."""
    for back in range(LATE, 0, -1):
        day = last - back * _ONE_DAY
        if rows_of(day, _limit()).count() > sessions_kept(day):
            return day
    return last


_Replacements = Iterator[Replacement | windows.Counted]


def _recount(before: datetime.date) -> Iterator[Step]:
    """Count the sessions again for days on which one ended; the counts of users stay."""
    days = changed_days.before(before)
    for number, day in enumerate(days, start=1):
        _replace(day, partial(_only_counts, day))
        yield Step(day, len(days) - number)


def _only_counts(day: datetime.date, limit: datetime.datetime) -> _Replacements:
    if is_whole(day, limit):
        yield day_rollups.counts(day, rows_of(day, limit))


def _roll_up(
    day: datetime.date, last: datetime.date, *, keep: bool, gone: datetime.date | None
) -> datetime.date | None:
    """Count a day; return the next one, or None if that has not begun.

    With `keep`, a day that has lost sessions keeps its counts. `last` is the last day counted before, which
    may be incomplete.
    """
    return _replace(day, partial(_whole_day, day, keep=keep, gone=gone), last)


def _whole_day(
    day: datetime.date, limit: datetime.datetime, *, keep: bool, gone: datetime.date | None
) -> _Replacements:
    if keep and not is_whole(day, limit):
        return
    rows = rows_of(day, limit)
    yield day_rollups.counts(day, rows)
    yield day_rollups.users(day, rows, gone)
    yield from _windows(day, limit)


def _following(day: datetime.date, last: datetime.date, limit: datetime.datetime) -> datetime.date | None:
    """Return the day to count after this one, or None if that has not begun.

    After a day without sessions it is the next day with some, as the days between need no change.
    """
    following = day + _ONE_DAY
    if start_of(following) > limit:
        return None
    if rows_of(day, limit).exists():
        return following
    later = TrackingSession.objects.primary().started_from(start_of(following)).started_before(limit)
    session_id = later.order_by("session_id").values_list("session_id", flat=True).first()
    with_sessions = day_of(limit if session_id is None else moment_of(session_id))
    return max(following, min(with_sessions, last) if day < last else with_sessions)


def _replace(
    day: datetime.date,
    count: Callable[[datetime.datetime], _Replacements],
    last: datetime.date | None = None,
) -> datetime.date | None:
    """Count a day and store the result; with `last`, return the day to count next, as `_roll_up` does.

    With `last`, the state then also says that everything up to this day is counted.
    """
    while True:
        with _undisturbed() as version:
            # Read before the count. A run that is cut off leaves the notes for the next one.
            notes = changed_days.notes_of(day)
            limit = _limit()
            replacements = list(count(limit))
            following = None if last is None else _following(day, last, limit)
            reached = None if last is None else min(start_of(day + _ONE_DAY), limit)
            is_on_the_way = last is not None and following is not None and following < last
            if _keep(replacements, notes, following if is_on_the_way else None, reached, version):
                return following


@contextlib.contextmanager
def _undisturbed() -> Iterator[int | None]:
    """Make other runs wait, except where that would block all writers (SQLite); yield the state's version."""
    if not connections[_alias()].features.has_select_for_update:
        yield _states().values_list("version", flat=True).first()
        return
    with transaction.atomic(_alias()):
        yield _locked_state().version


def _keep(
    replacements: list[Replacement | windows.Counted],
    notes: list[Note],
    following: datetime.date | None,
    reached: datetime.datetime | None,
    version: int | None,
) -> bool:
    """Store the result, unless another run has stored something since the state had this version.

    Notes that hold for later days move on to the day `following`.
    """
    with transaction.atomic(_alias()):
        state = _locked_state()
        if state.version != version:
            return False
        for replacement in replacements:
            replacement.keep()
        changed_days.forget(notes, following)
        if reached is not None:
            state.rolled_until = max(state.rolled_until or reached, reached)
        _save(state)
        return True


def _save(state: RollupState) -> None:
    state.version += 1
    state.save(using=_alias())


def _windows(day: datetime.date, limit: datetime.datetime) -> Iterator[windows.Counted]:
    before, after = day - _ONE_DAY, day + _ONE_DAY
    yield windows.count(start_of(before), start_of(day), limit, anew=is_whole(before, limit))
    # The day's own windows are counted with the next day. But the next day may not exist yet. And if they
    # were counted before, a run that is cut off here would leave them outdated.
    is_last = start_of(after) > limit
    if is_last or (windows.exist(start_of(day)) and is_whole(after, limit)):
        yield windows.count(start_of(day), start_of(after), limit, anew=True)
