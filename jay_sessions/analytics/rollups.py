"""Counts sessions by day, each once, and stores the numbers. `run` updates them, in any number of processes.

A run reads only what is new since the last one: sessions that started since, ends, fetched Zephr sessions,
and late sessions, which have a note (`LateSession`). It does so in steps of bounded size. Each step is a
transaction that sees one state of the database (`rollup_state.py`): it counts what that state shows, and
marks exactly this as counted.

A session may be late without a note: after an outage during its commit, or if its host's clock is behind. So
`uncounted.py` searches for such sessions, and their days are counted anew (`recounts.py`).
"""

import datetime
from collections.abc import Iterator

from django.db import router

from ..core.uuid7 import first_id, millisecond_of, moment_of
from ..database import clock
from ..database.errors import translating_errors, tried_again
from ..models import TrackingSession, TrackingSessionQuerySet
from ..models.rollups import LateSession, RollupState
from . import daily_counts, early_counts, new_ends, previous, recounts, rollup_state, site_days, uncounted
from .counting import Counts
from .rows import Row, parts, read
from .site_days import day_of, start_of
from .steps import Step, settle, step_size

SETTLE = datetime.timedelta(minutes=1)
"""Younger sessions are left for the next run, as older ones may still be committed after them."""

_BATCH = 1000
_MILLISECOND = datetime.timedelta(milliseconds=1)


def run(*, rebuild: bool = False) -> Iterator[Step]:
    """Bring the numbers up to date; yield each step when it is done. Raises StoreUnavailable.

    `rebuild` counts every day anew that still has all its sessions.
    """
    with translating_errors():
        limit = clock.now(_alias()) - SETTLE
        first = _first_day()
        if first is None:
            return
        early = early_counts.first_day(first, limit) if early_counts.mark_ahead() else None
        _prepare(first, limit, early)
        while True:
            step, is_last = _step(limit)
            yield step
            if is_last:
                break
        if others := _others_to_come(limit):
            yield Step(others=others)
        uncounted.look(limit)
        yield from recounts.run(first if rebuild else None)


def _others_to_come(limit: datetime.datetime) -> int:
    """Return how many sessions have started by `started_at`, but not by their ids."""
    return TrackingSession.objects.primary().started_from(limit).filter(started_at__lt=limit).count()


def waiting() -> int:
    """Return the number of sessions that the next run counts."""
    limit, until = clock.now(_alias()) - SETTLE, _until()
    rows = TrackingSession.objects.primary().started_before(limit)
    return (rows if until is None else rows.started_from(until)).count()


def _alias() -> str:
    return router.db_for_write(RollupState)


def _until() -> datetime.datetime | None:
    return RollupState.objects.using(_alias()).values_list("rolled_until", flat=True).first()


def _first_day() -> datetime.date | None:
    ids = TrackingSession.objects.primary().order_by("session_id").values_list("session_id", flat=True)
    oldest = ids.first()
    return None if oldest is None else day_of(moment_of(oldest))


@tried_again
def _prepare(first: datetime.date, limit: datetime.datetime, early: datetime.date | None) -> None:
    """Make the state fit for the steps: for the site's zone, its server, and a clock that was ahead."""
    with rollup_state.locked() as state:
        if state.zone != str(site_days.zone()):
            rollup_state.begin_in_zone(state, first)
        elif early is not None and state.rolled_until is not None and state.rolled_until > limit:
            early_counts.put_right(state, early, limit)
        server = new_ends.server(_alias())
        if state.snapshot and server != state.server:
            # Its snapshot means nothing here: nobody can say which ends are counted.
            state.recount_from, state.snapshot = first, new_ends.snapshot(_alias())
        state.server = server


@tried_again
def _step(limit: datetime.datetime) -> tuple[Step, bool]:
    """Count a bounded number of sessions, and all ends; say whether that were the last ones."""
    with rollup_state.locked() as state:
        ends = settle(state)
        counts = Counts(state.names)
        late, are_all = _late(state, counts)
        begin, end, is_last = _range(state, limit)
        sessions = len(late)
        if are_all:
            for rows in parts(_between(begin, end)):
                counts.add(rows, previous.before(_alias(), rows, counts.daily))
                uncounted.remember(state, rows, limit)
                sessions += len(rows)
            state.rolled_until = end
            _remove_notes(begin, end)
        counts.store(state.rolled_until or end)
        uncounted.remember(state, late, limit)
        rollup_state.forget_names(state)
        return Step(sessions, ends, counts.others), is_last and are_all


def _range(state: RollupState, limit: datetime.datetime) -> tuple[datetime.datetime, datetime.datetime, bool]:
    """Return the times between which sessions are counted now, and whether these are the last ones."""
    begin = state.rolled_until
    if begin is None:
        first = _first_day()
        begin = limit if first is None else min(start_of(first), limit)
    end = max(begin, limit)
    size = step_size(_alias())
    ids = _between(begin, end).order_by("session_id").values_list("session_id", flat=True)
    for session_id in ids[size : size + 1]:
        # At least a millisecond, so that each step gets further.
        return begin, min(end, max(moment_of(session_id), begin + _MILLISECOND)), False
    return begin, end, True


def _between(begin: datetime.datetime, end: datetime.datetime) -> TrackingSessionQuerySet:
    return TrackingSession.objects.primary().started_between(begin, end)


def _remove_notes(begin: datetime.datetime, end: datetime.datetime) -> None:
    notes = LateSession.objects.using(_alias())
    notes.filter(session_id__gte=first_id(begin), session_id__lt=first_id(end)).delete()


def _late(state: RollupState, counts: Counts) -> tuple[list[Row], bool]:
    """Count some late sessions, in the order of their ids, and remove their notes.

    Returns them, and whether that were all.
    """
    until = state.rolled_until
    if until is None:
        return [], True
    before = until if state.recount_from is None else min(until, start_of(state.recount_from))
    notes = LateSession.objects.using(_alias()).filter(session_id__lt=first_id(before))
    ids = list(notes.order_by("session_id").values_list("session_id", flat=True)[:_BATCH])
    are_all = len(ids) < _BATCH
    for day in sorted({counts.days.number(millisecond_of(pk)) for pk in ids}):
        date = datetime.date.fromordinal(day)
        verdict = uncounted.verdict(date, until)
        if verdict is uncounted.Verdict.RECOUNT:
            state.recount_from = date
            return _late(state, counts)
        if verdict is uncounted.Verdict.KEEP:
            daily_counts.note_uncounted(date, until)
            lost = [pk for pk in ids if counts.days.number(millisecond_of(pk)) == day]
            LateSession.objects.using(_alias()).filter(pk__in=lost).delete()
            ids = [pk for pk in ids if pk not in lost]
    rows = read(TrackingSession.objects.primary().filter(pk__in=ids))
    counts.add(rows, *previous.around(_alias(), rows, counts.daily, first_id(until)))
    notes.filter(pk__in=ids).delete()
    return rows, are_all
