"""The recorder `direct`: each request inserts its own row, with its own commit."""

import uuid

from django.db import connections, router

from ..database.queries import ask
from ..models import LateSession, TrackingSession
from . import statements
from .statements import Row


def record(row: Row) -> None:
    """As `recorders.record`."""
    alias = router.db_for_write(TrackingSession)
    connection = connections[alias]

    def use(again: bool) -> None:
        statements.insert(connection, row, again=again)
        if connection.in_atomic_block:
            # Nobody knows when the caller's transaction is committed.
            LateSession.objects.using(alias).note([uuid.UUID(row.session_id)])

    ask(alias, use)
