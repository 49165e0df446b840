"""Which ends have come since the last run of the rollups.

PostgreSQL's snapshots tell exactly: an end is new if the snapshot of the last run does not show it, however
late its transaction was committed. The snapshot is stored as text, such as `90:95:90,93`. Its numbers are
valid on one cluster and its standbys alone. On SQLite there is one writer at a time, so the number of the
last end is enough.
"""

from django.db import connections
from django.db.models import Max

from ..database import snapshots
from ..models import EndedSession, TrackingSession, TrackingSessionQuerySet
from ..models.ended import COUNTED
from ..models.expressions import InSnapshot


def server(alias: str) -> str:
    """Return what identifies the cluster; "" if the server does not tell, and for SQLite."""
    return snapshots.cluster(alias) if connections[alias].vendor == "postgresql" else ""


def snapshot(alias: str) -> str:
    """Return what the current transaction sees, for `since` in a later one."""
    if connections[alias].vendor == "postgresql":
        return snapshots.current(alias)
    return str(EndedSession.objects.using(alias).aggregate(last=Max("transaction"))["last"] or 0)


def since(earlier: str, alias: str) -> TrackingSessionQuerySet:
    """Return the sessions with an end that counts in durations and is not in the snapshot `earlier`."""
    rows = TrackingSession.objects.using(alias).filter(end__reason__in=COUNTED)
    if connections[alias].vendor != "postgresql":
        return rows.filter(end__transaction__gt=int(earlier))
    oldest = int(earlier.partition(":")[0])
    return rows.filter(~InSnapshot("end__transaction", earlier), end__transaction__gte=oldest)
