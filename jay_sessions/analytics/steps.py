"""What all steps of the rollups have in common: their size and result, and that they begin with new ends."""

import dataclasses
import datetime
from collections.abc import Iterable

from django.db import connections, router
from django.db.models import Exists, OuterRef

from ..core.batches import batched
from ..models import TrackingSessionQuerySet
from ..models.rollups import FetchedZephrSession, LateSession, RollupState
from . import new_ends
from .counting import Counts
from .rows import Row, iterate, linked

_BATCH = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """What a step has counted: sessions, and ends of sessions that were counted before.

    `others` is the number of its sessions with another day in `started_at` than in the id. `recounted` is a
    day that was counted anew.
    """

    sessions: int = 0
    ends: int = 0
    others: int = 0
    recounted: datetime.date | None = None


def step_size(alias: str) -> int:
    """Return how many sessions a step counts at most. In SQLite, other writers wait for it."""
    return 100_000 if connections[alias].vendor == "postgresql" else 2_000


def settle(state: RollupState) -> int:
    """Count the new ends and the new facts of sessions that are counted; return the number of ends.

    After it, the stored numbers say what the current transaction sees of all counted sessions.
    """
    earlier, state.snapshot = state.snapshot, new_ends.snapshot(_alias())
    notes = FetchedZephrSession.objects.using(_alias())
    fetched = set(notes.values_list("pk", flat=True))
    until, ends = state.rolled_until, 0
    if until is not None and earlier not in ("", state.snapshot):
        for batch in batched(_counted(new_ends.since(earlier, _alias()), until), _BATCH):
            counts = Counts(state.names)
            ends += counts.add_ends(batch, fetched)
            counts.store(until)
    for some in batched(fetched, _BATCH):
        if until is not None:
            counts = Counts(state.names)
            counts.add_facts(_counted(linked(some, _alias()), until))
            counts.store(until)
        notes.filter(pk__in=some).delete()
    return ends


def _counted(rows: TrackingSessionQuerySet, until: datetime.datetime) -> Iterable[Row]:
    """Yield those of the sessions that are counted: they started before `until`, and have no note."""
    late = LateSession.objects.using(rows.db).filter(pk=OuterRef("session_id"))
    return iterate(rows.started_before(until).filter(~Exists(late)))


def _alias() -> str:
    return router.db_for_write(RollupState)
