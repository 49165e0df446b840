"""The recorder `direct`: each request inserts its own row, with its own commit."""

from django.db import connections, router

from ..database.queries import ask
from ..models import TrackingSession
from . import statements
from .statements import Row


def record(row: Row) -> None:
    """As `recorders.record`."""
    alias = router.db_for_write(TrackingSession)
    ask(alias, lambda again: statements.insert(connections[alias], row, again=again))
