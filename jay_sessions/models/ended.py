"""Ends: which sessions are no longer valid, since when and why. Rows are inserted, and go with old sessions.

An end needs no session row: the row may be purged or deleted, or not written yet.
"""

import contextlib
import datetime
import uuid
from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

from django.db import connections, models, router, transaction
from django.dispatch import Signal
from django.utils.translation import gettext_lazy as _

from .. import conf
from ..core.uuid7 import first_id, shortened
from ..database import clock
from ..database.clock import DatabaseNow
from .expressions import TransactionNumber


class Reason(models.TextChoices):
    """Why a session is no longer valid."""

    CLIENT = "client", _("by the client")
    OPERATOR = "operator", _("by an operator")
    DELETED = "deleted", _("deleted")
    ERASED = "erased", _("user erased")


ends_stored = Signal()
"""Sent after ends that this process has stored are committed, with `session_ids` and the alias `using`."""

COUNTED = (Reason.CLIENT, Reason.OPERATOR)
"""The reasons that say how long a session took. The others say only since when its token is not valid."""


class Mark(NamedTuple):
    """A position in the table: all ends before `number` have been read.

    `number` is valid only on the server that `server` identifies; `now` is that server's time.
    """

    number: int
    server: str
    now: datetime.datetime


class EndedSessionQuerySet(models.QuerySet["EndedSession"]):
    """Stores ends, and reads those after a mark."""

    def primary(self) -> "EndedSessionQuerySet":
        """Return the same query for the database that takes the writes: a replica may be behind."""
        return self.using(router.db_for_write(self.model))

    def store(self, ends: Iterable["EndedSession"]) -> None:
        """Insert new ends, but none for a session that has one. Sets their `transaction`."""
        self._put(ends, ignore_conflicts=True)

    def store_deleted(self, session_ids: Iterable[uuid.UUID]) -> None:
        """Store that the sessions are deleted, also those that had ended before.

        Ends of deleted sessions are dropped as soon as their tokens have expired.
        """
        now = DatabaseNow()
        ends = (self.model(session_id=pk, ended_at=now, reason=Reason.DELETED) for pk in session_ids)
        self._put(ends, update_conflicts=True, unique_fields=["session"], update_fields=["reason"])

    def _put(self, ends: Iterable["EndedSession"], **on_conflict: Any) -> None:
        # In the order of their ids, so that two writers cannot wait for each other.
        ordered = sorted(ends, key=lambda end: end.session_id)
        for end in ordered:
            end.transaction = TransactionNumber()
        self._for_write = True
        rows = self.using(self.db)
        rows.bulk_create(ordered, **on_conflict)
        ids = [end.session_id for end in ordered]
        transaction.on_commit(lambda: ends_stored.send(self.model, session_ids=ids, using=rows.db), rows.db)

    def started_before(self, moment: datetime.datetime) -> "EndedSessionQuerySet":
        """Keep the ends of sessions that started before `moment` (aware)."""
        return self.filter(session_id__lt=first_id(moment))

    def started_from(self, moment: datetime.datetime) -> "EndedSessionQuerySet":
        """Keep the ends of sessions that started at `moment` (aware) or later."""
        return self.filter(session_id__gte=first_id(moment))

    def mark(self) -> Mark:
        """Return the mark for the next call of `since`: all ends before it can be read now."""
        connection = connections[self.db]
        if connection.vendor != "postgresql":
            # SQLite has one writer at a time, so the numbers are in the order of commits.
            return Mark(self.aggregate(last=models.Max("transaction"))["last"] or 0, "", clock.now(self.db))
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
        """Return the ids of the sessions that ended since a mark, and perhaps some older ones."""
        is_postgresql = connections[self.db].vendor == "postgresql"
        rows = self.filter(transaction__gte=mark) if is_postgresql else self.filter(transaction__gt=mark)
        return rows.values_list("session_id", flat=True)


# Transaction ids are valid on one server only. Another server has another start time, or was a standby
# before. A server that has crashed inside may use ids again that were not written to disk; then its
# statistics have a new reset time. A database that is restored into the same server has another oid, or its
# tables other files. A partitioned table has no file, but its partitions have. The first file of a table has
# the table's number: so a new partition changes nothing, and TRUNCATE does.
_MARK = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, concat_ws(
    ' ',
    extract(epoch FROM pg_postmaster_start_time()),
    pg_is_in_recovery(),
    extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time()),
    (SELECT oid FROM pg_database WHERE datname = current_database()),
    'jay_ended_session'::regclass::oid,
    pg_relation_filenode('jay_ended_session'::regclass),
    (
        SELECT string_agg(relfilenode::text, ' ' ORDER BY oid)
        FROM pg_inherits JOIN pg_class ON oid = inhrelid
        WHERE inhparent = 'jay_ended_session'::regclass AND relfilenode <> oid
    )
)
"""


class EndedSession(models.Model):
    """A session that is no longer valid. `transaction` tells other processes which ends are new."""

    # No constraint: the session's row may be gone, or may come later.
    session = models.OneToOneField(
        "TrackingSession", models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="end"
    )
    ended_at = models.DateTimeField(_("ended"))
    transaction = models.BigIntegerField(db_index=True)
    reason = models.CharField(_("reason"), max_length=8, choices=Reason)

    objects = EndedSessionQuerySet.as_manager()

    class Meta:
        db_table = "jay_ended_session"
        indexes: ClassVar = [
            # These are dropped when their tokens have expired, long before the others.
            models.Index(
                fields=["session"], name="jay_ended_deleted", condition=models.Q(reason=Reason.DELETED)
            )
        ]

    def __str__(self) -> str:
        return shortened(self.session_id)


def valid_from(alias: str) -> datetime.datetime | None:
    """Return the start of the oldest sessions with valid tokens; None if all tokens may be valid.

    By the database's clock, with a margin for the hosts' clocks. Database errors pass through.
    """
    return conf.get().expired_until(clock.now(alias) - clock.MARGIN)
