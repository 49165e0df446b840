"""The recorder that inserts in the request: one session, one row, one commit."""

from django.db import connections, router

from .. import statements
from ..models import TrackingSession
from ..statements import Row
from ..store import available


def record(row: Row) -> None:
    """As `recorders.record` says."""
    with available():
        statements.insert(connections[router.db_for_write(TrackingSession)], row)
