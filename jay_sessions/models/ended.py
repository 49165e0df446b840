"""Notes of ended sessions: the table, how notes are written, and how processes read the new ones."""

import contextlib
import datetime
import uuid
from typing import Any, NamedTuple

from django.db import connections, models, transaction

from ..database import clock
from ..database.clock import DatabaseNow
from .expressions import CurrentTransaction

KEPT = datetime.timedelta(hours=1)
"""The minimum time for which notes are kept."""


class Mark(NamedTuple):
    """A position in the notes: all notes before `number` have been read.

    `number` is valid only on the server that `server` identifies; `now` is that server's time.
    """

    number: int
    server: str
    now: datetime.datetime


class EndedSessionQuerySet(models.QuerySet["EndedSession"]):
    """Writes notes of ended sessions, and reads those after a mark."""

    def note(self, *session_ids: uuid.UUID) -> None:
        """Note that the current transaction ends these sessions."""
        self.bulk_create(
            self.model(session_id=session_id, transaction=CurrentTransaction(), noted_at=DatabaseNow())
            for session_id in session_ids
        )

    def mark(self) -> Mark:
        """Return the mark for the next call of `since`: all notes before it can be read now."""
        connection = connections[self.db]
        if connection.vendor != "postgresql":
            # SQLite has one writer at a time, so ids are in the order of commits.
            return Mark(self.aggregate(last=models.Max("pk"))["last"] or 0, "", clock.now(self.db))
        with connection.cursor() as cursor:
            cursor.execute(_MARK)
            [number, server] = cursor.fetchone()
        return Mark(int(number), server, clock.now(self.db))

    def of_one_server(self) -> contextlib.AbstractContextManager[Any]:
        """Let all queries in the block go to the same server, also if a failover happens meanwhile."""
        # With SQLite, a transaction could block other writers.
        if connections[self.db].vendor != "postgresql":
            return contextlib.nullcontext()
        return transaction.atomic(self.db, savepoint=False)

    def since(self, mark: int) -> models.QuerySet["EndedSession", uuid.UUID]:
        """Return the ids of the sessions noted since a mark, and perhaps some older ones."""
        is_postgresql = connections[self.db].vendor == "postgresql"
        rows = self.filter(transaction__gte=mark) if is_postgresql else self.filter(pk__gt=mark)
        return rows.values_list("session_id", flat=True)

    def prune(self) -> None:
        """Delete notes older than twice `KEPT`."""
        self.filter(noted_at__lt=DatabaseNow() - 2 * KEPT).delete()


# Transaction ids are valid on one server only. Another server has another start time, or was a standby
# before. A server that has crashed inside may use ids again that were not written to disk; then its
# statistics have a new reset time.
_MARK = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, concat_ws(
    ' ',
    extract(epoch FROM pg_postmaster_start_time()),
    pg_is_in_recovery(),
    extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time()),
    (SELECT oid FROM pg_database WHERE datname = current_database())
)
"""


class EndedSession(models.Model):
    """A note for other processes that a session has ended; kept for some hours (`KEPT`).

    `transaction` is the id of the transaction on PostgreSQL. Rows are only inserted and deleted.
    """

    session_id = models.UUIDField()
    transaction = models.BigIntegerField(db_index=True)
    noted_at = models.DateTimeField(db_index=True)

    objects = EndedSessionQuerySet.as_manager()

    class Meta:
        db_table = "jay_ended_session"
