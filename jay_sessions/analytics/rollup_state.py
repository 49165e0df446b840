"""The state of the rollups: how it is locked, and how counting begins anew."""

import contextlib
import datetime
import zoneinfo
from collections.abc import Iterator

from django.db import router
from django.db.models import F, QuerySet

from ..database import snapshots
from ..database.clock import DatabaseNow
from ..models.rollups import DailyCount, RollupState
from . import site_days, windows
from .site_days import day_of, start_of

_ONE_DAY = datetime.timedelta(days=1)
_STATE = 1


@contextlib.contextmanager
def locked() -> Iterator[RollupState]:
    """Yield the state in a transaction in which all queries see one state of the database.

    Changes of the yielded state are stored. Other runs and imports wait until the end. In SQLite, all other
    writers do.
    """
    alias = router.db_for_write(RollupState)
    with snapshots.one_state(alias, RollupState._meta.db_table):
        states = RollupState.objects.using(alias)
        # SQLite keeps other writers out only if a transaction begins with a write.
        states.filter(pk=_STATE).update(zone=F("zone"))
        state, _ = states.get_or_create(pk=_STATE, defaults={"zone": str(site_days.zone())})
        yield state
        state.save(using=alias)


def usable(alias: str | None = None) -> QuerySet[RollupState]:
    """Return the state, but not with days of another zone, or with a time to come from a clock ahead."""
    states = RollupState.objects.using(alias)
    return states.filter(zone=str(site_days.zone()), rolled_until__lte=DatabaseNow())


def begin_in_zone(state: RollupState, first: datetime.date) -> None:
    """Forget the numbers of days of another zone, so that all sessions are counted by the site's present one.

    Days without their sessions keep their numbers. `first` is the day of the first session.
    """
    alias = router.db_for_write(RollupState)
    oldest = min(first, start_of(first).astimezone(zoneinfo.ZoneInfo(state.zone)).date())
    counts = DailyCount.objects.using(alias)
    counts.filter(day__gte=oldest).delete()
    # Windows reach into the two days after the one on which they begin.
    kept = counts.filter(day__gte=oldest - 2 * _ONE_DAY).exists()
    windows.forget(start_of(first if kept else first - 2 * _ONE_DAY))
    state.zone, state.rolled_until, state.recount_from = str(site_days.zone()), None, None
    state.names, state.hours = {}, {}


def forget_names(state: RollupState) -> None:
    """Forget the numbers of names of days that are over for long."""
    if state.rolled_until is not None:
        oldest = day_of(state.rolled_until).toordinal() - 1
        state.names = {key: count for key, count in state.names.items() if int(key.split()[0]) >= oldest}
