"""Days of sessions, counted once and kept: `run` brings them up to date, in any number of processes.

The days of the site's `TIME_ZONE` are rolled up one after the other, each in a transaction that holds
the state's row, so a second process goes on where the first one is. With SQLite, where that would keep
everybody from writing, a day is counted before the transaction, and once more if another process was
faster.

The present day is counted anew by every run. Earlier days are counted anew where a session of theirs was
ended, or where a late one has arrived; from a late one on, all days are, as it may be the day on which a
user was seen before. The windows of other zones' hours and days (`windows.py`) reach into the next day,
and are counted with it.
"""

import contextlib
import dataclasses
import datetime
import zoneinfo
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.db import connections, router, transaction
from django.db.models import Model, QuerySet
from django.utils import timezone

from . import changed_days, daily, site_days, windows
from .models import TrackingSession
from .querysets import TrackingSessionQuerySet
from .rollup_models import ChangedDay, DailyCount, DailyUsers, Kind, RollupState
from .site_days import day_of, start_of
from .store import available
from .uuid7 import moment_of

SETTLE = datetime.timedelta(minutes=1)
"""What is younger may be committed later than what is older, and is left for the next run."""

LATE = 7
"""Days before the present one in which every run looks for late sessions."""

_ONE_DAY = datetime.timedelta(days=1)
_STATE = 1
_BATCH = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """A day that was counted, and how many more are left."""

    day: datetime.date
    left: int


def run(*, rebuild: bool = False) -> Iterator[Step]:
    """Bring the rollups up to date; gives each day as it is done. Raises StoreUnavailable.

    `rebuild` counts every day anew whose sessions are all retained; where earlier ones are gone, users stay.
    """
    with available():
        found = _first_day(rebuild=rebuild)
        if found is None:
            return
        first, last = found
        # Who was there before is not to be told by sessions that are gone.
        keep_users = rebuild and _was_purged(first)
        yield from _recount(first)
        day: datetime.date | None = first
        while day is not None:
            is_open = day >= last
            done = day
            day = _roll_up(day, keep=rebuild or not is_open, keep_users=keep_users and not is_open)
            yield Step(done, 0 if day is None else (day_of(_limit()) - day).days + 1)


def _limit() -> datetime.datetime:
    return timezone.now() - SETTLE


def _alias() -> str:
    return router.db_for_write(RollupState)


def _rows(day: datetime.date, until: datetime.datetime) -> TrackingSessionQuerySet:
    rows = TrackingSession.objects.primary().started_from(start_of(day))
    return rows.started_before(min(start_of(day + _ONE_DAY), until))


def _first_day(*, rebuild: bool) -> tuple[datetime.date, datetime.date] | None:
    """Return the first day to count anew, and the last one that was counted, maybe not to its end.

    None where there is nothing to count.
    """
    ids = TrackingSession.objects.primary().order_by("session_id").values_list("session_id", flat=True)
    oldest = ids.first()
    if oldest is None:
        return None
    begin = moment_of(oldest)
    first = day_of(begin)
    with transaction.atomic(_alias()):
        state = _locked_state()
        if state.zone != str(site_days.zone()):
            _forget_from(min(first, begin.astimezone(zoneinfo.ZoneInfo(state.zone)).date()))
            state.zone, state.rolled_until = str(site_days.zone()), None
            _save(state)
    if state.rolled_until is None:
        return first, first
    last = day_of(state.rolled_until)
    return first if rebuild else _first_late_day(last), last


def _states() -> QuerySet[RollupState]:
    return RollupState.objects.using(_alias())


def _locked_state() -> RollupState:
    state, _ = (
        _states().select_for_update().get_or_create(pk=_STATE, defaults={"zone": str(site_days.zone())})
    )
    return state


def _forget_from(day: datetime.date) -> None:
    # Days whose sessions are gone stay as they were counted, in the zone that was the site's then. Windows
    # are right in any zone, and replaced as their time is counted anew.
    models: list[type[Model]] = [DailyCount, DailyUsers, ChangedDay]
    for model in models:
        model._default_manager.using(_alias()).filter(day__gte=day).delete()


def _first_late_day(last: datetime.date) -> datetime.date:
    """Return the first of the latest days that has more sessions than were counted; else the last one."""
    for back in range(LATE, 0, -1):
        day = last - back * _ONE_DAY
        if _rows(day, _limit()).count() > _sessions_kept(day):
            return day
    return last


def _was_purged(first: datetime.date) -> bool:
    """Say whether sessions that were counted are gone, where the first that are there are of this day."""
    earlier = DailyCount.objects.using(_alias()).filter(kind=Kind.SITE, day__lt=first)
    return earlier.exists() or not _is_whole(first, _limit())


def _is_whole(day: datetime.date, until: datetime.datetime) -> bool:
    """Say whether all sessions of the day that were ever counted are still there."""
    kept = _sessions_kept(day)
    return not kept or _rows(day, until).count() >= kept


def _sessions_kept(day: datetime.date) -> int:
    row = DailyCount.objects.using(_alias()).filter(kind=Kind.SITE, day=day).first()
    return 0 if row is None else row.sessions


@dataclasses.dataclass(frozen=True, slots=True)
class _Replacement:
    """Rows for the place of those that are kept."""

    kept: QuerySet[Any]
    rows: list[Any]

    def keep(self) -> None:
        self.kept.delete()
        self.kept.model._default_manager.using(_alias()).bulk_create(self.rows, batch_size=_BATCH)


_Replacements = Iterator[_Replacement | windows.Counted]


def _recount(before: datetime.date) -> Iterator[Step]:
    """Count the sessions of days anew that had one ended; users are what they were."""
    days = changed_days.before(before)
    for number, day in enumerate(days, start=1):
        _replace(day, partial(_only_counts, day))
        yield Step(day, len(days) - number)


def _only_counts(day: datetime.date, limit: datetime.datetime) -> _Replacements:
    if _is_whole(day, limit):
        yield _counts(day, _rows(day, limit))


def _roll_up(day: datetime.date, *, keep: bool, keep_users: bool) -> datetime.date | None:
    """Count a day; return the next one, None where that is still to come.

    With `keep`, a day of which sessions are gone stays as it was counted; with `keep_users`, its users do.
    """
    limit = _replace(day, partial(_whole_day, day, keep=keep, keep_users=keep_users), reaches=True)
    return day + _ONE_DAY if start_of(day + _ONE_DAY) <= limit else None


def _whole_day(
    day: datetime.date, limit: datetime.datetime, *, keep: bool, keep_users: bool
) -> _Replacements:
    if keep and not _is_whole(day, limit):
        return
    rows = _rows(day, limit)
    yield _counts(day, rows)
    if not keep_users:
        yield _users(day, rows)
    yield from _windows(day, limit)


def _replace(
    day: datetime.date, count: Callable[[datetime.datetime], _Replacements], *, reaches: bool = False
) -> datetime.datetime:
    """Count a day and keep what is found; return up to when it was counted.

    The state says so, too, if it `reaches`: what is earlier is counted then.
    """
    while True:
        with _undisturbed() as version:
            # Before counting; and a run that is cut off leaves them for the next one.
            notes = changed_days.notes_of(day)
            limit = _limit()
            found = list(count(limit))
            reached = min(start_of(day + _ONE_DAY), limit) if reaches else None
            if _keep(found, notes, reached, version):
                return limit


@contextlib.contextmanager
def _undisturbed() -> Iterator[int | None]:
    """Let other runs wait, unless everybody else who writes would have to; gives the state's version."""
    if not connections[_alias()].features.has_select_for_update:
        yield _states().values_list("version", flat=True).first()
        return
    with transaction.atomic(_alias()):
        yield _locked_state().version


def _keep(
    found: list[_Replacement | windows.Counted],
    notes: list[int],
    reached: datetime.datetime | None,
    version: int | None,
) -> bool:
    """Keep what was found, unless another run has kept something since the state had this version."""
    with transaction.atomic(_alias()):
        state = _locked_state()
        if state.version != version:
            return False
        for replacement in found:
            replacement.keep()
        changed_days.forget(notes)
        if reached is not None:
            state.rolled_until = max(state.rolled_until or reached, reached)
        _save(state)
        return True


def _save(state: RollupState) -> None:
    state.version += 1
    state.save(using=_alias())


def _counts(day: datetime.date, rows: TrackingSessionQuerySet) -> _Replacement:
    made = [
        DailyCount(kind=kind, **{**row, "ended_duration": row["ended_duration"] or datetime.timedelta()})
        for kind in Kind
        for row in daily.counts(rows, kind, site_days.zone())
    ]
    return _Replacement(DailyCount.objects.using(_alias()).filter(day=day), made)


def _users(day: datetime.date, rows: TrackingSessionQuerySet) -> _Replacement:
    made = [
        DailyUsers(kind=kind, **row)
        for kind in daily.WITH_USERS
        for row in daily.users(rows, kind, site_days.zone())
    ]
    return _Replacement(DailyUsers.objects.using(_alias()).filter(day=day), made)


def _windows(day: datetime.date, limit: datetime.datetime) -> Iterator[windows.Counted]:
    before, after = day - _ONE_DAY, day + _ONE_DAY
    yield windows.count(start_of(before), start_of(day), limit, anew=_is_whole(before, limit))
    # Those of the day itself are counted with the next one. But there may be none yet; and where they were
    # counted before, a run that is cut off here would leave them as they were.
    is_last = start_of(after) > limit
    if is_last or (windows.exist(start_of(day)) and _is_whole(after, limit)):
        yield windows.count(start_of(day), start_of(after), limit, anew=True)
