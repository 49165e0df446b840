"""How rows are found, made and changed in bulk; the models themselves are in `models.py`."""

import datetime
import hmac
import uuid
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from django.db import connections, models, router, transaction
from django.dispatch import Signal
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from . import api_keys, conf
from .expressions import BYTEWISE, CurrentTransaction, NotAbove, NotBelow, along_index
from .identifiers import MAX_LENGTH
from .store import available, without_waiting
from .uuid7 import first_id

if TYPE_CHECKING:
    from .models import ApiKey, EndedSession, LinkedZephrSession, TrackingSession  # noqa: F401 (named as text)

Row = TypeVar("Row", bound=models.Model)

keys_changed = Signal()
"""Sent when keys were changed in bulk, where Django sends no `post_save`."""


LAST_USE_PRECISION = datetime.timedelta(minutes=1)
LAST_USE_RETRY = datetime.timedelta(seconds=5)

CLAIM_LASTS = datetime.timedelta(minutes=5)
"""Far longer than a call to Zephr can take."""


KEPT = datetime.timedelta(hours=1)
"""How long it can be read from notes, at the least, which sessions were ended."""


class _ValuesQuerySet(models.QuerySet[Row]):
    """The values of a column, for filters to offer."""

    def distinct_values(self, field: str, limit: int = 50) -> list[str]:
        """Return up to `limit` values of an indexed text column in the whole table, sorted, without None.

        It hops from one value to the next over the index, where DISTINCT would read all rows.
        Works on PostgreSQL and SQLite alike.
        """
        connection = connections[self.db]
        quote = connection.ops.quote_name
        column = quote(cast(Any, self.model._meta.get_field(field)).column)
        table = quote(self.model._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH RECURSIVE seen(value) AS (SELECT MIN({column}) FROM {table} UNION ALL "  # noqa: S608 (our own names, quoted)
                f"SELECT (SELECT MIN({column}) FROM {table} WHERE {column} > seen.value) "
                "FROM seen WHERE seen.value IS NOT NULL) "
                "SELECT value FROM seen WHERE value IS NOT NULL LIMIT %s",
                [limit],
            )
            return [value for (value,) in cursor.fetchall()]


class TrackingSessionQuerySet(_ValuesQuerySet["TrackingSession"]):
    """Times are asked as ranges of ids: an id carries its session's start (see `uuid7`)."""

    def primary(self) -> Self:
        """Return the same from the database that is written to: a replica may lag behind."""
        return self.using(router.db_for_write(self.model))

    def with_value(self, field: str, value: str) -> Self:
        """Keep the rows whose indexed text column is `value`, newest first, as its index has them.

        PostgreSQL's planner knows how many there are, but not that they may all be old: asked for
        `field = value` by id, it would rather walk all sessions from the newest on. So it is asked for
        a range of values, and for the order of the index.
        """
        if connections[self.db].vendor != "postgresql":
            return self.filter(**{field: value}).order_by("-session_id")
        if field in BYTEWISE:
            rows = self.filter(NotBelow(models.F(field), value), NotAbove(models.F(field), value))
        else:
            rows = self.filter(**{f"{field}__gte": value, f"{field}__lte": value})
        return rows.order_by(*along_index(field))

    def starting_with(self, field: str, prefix: str) -> Self:
        """Keep the rows whose column, `playout_id` or `user_id`, begins with `prefix`, in its index's order.

        Upper and lower case are told apart.
        """
        if connections[self.db].vendor == "postgresql":
            rows = self.filter(**{f"{field}__startswith": prefix})
        else:
            # SQLite's LIKE ignores case and reads all rows. It compares texts by code point, and none is
            # longer than this limit.
            last = prefix + "\U0010ffff" * MAX_LENGTH
            rows = self.filter(**{f"{field}__gte": prefix, f"{field}__lte": last})
        return rows.order_by(*along_index(field))

    def count_up_to(self, most: int) -> int:
        """Return how many rows there are, or `most` where there are more; reads no more than that.

        The order is kept: it says which index to count in.
        """
        return self[:most].count()

    def estimated_count(self) -> int | None:
        """Return how many rows the database believes to be in the whole table; None if it keeps no count."""
        connection = connections[self.db]
        if connection.vendor != "postgresql":
            return None
        table = connection.ops.quote_name(self.model._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [table])
            [count] = cursor.fetchone()
        return int(count)

    def started_from(self, moment: datetime.datetime) -> Self:
        """Keep what started at `moment` or later."""
        return self.filter(session_id__gte=first_id(moment))

    def started_before(self, moment: datetime.datetime) -> Self:
        """Keep what started earlier than `moment`."""
        return self.filter(session_id__lt=first_id(moment))

    def of_user(self, user_id: str) -> Self:
        """Keep a user's sessions; the id may be given as it came or in any form in which it is stored."""
        return self.filter(user_id__in=conf.get().user_ids.forms(user_id))

    def ended(self) -> Self:
        """Keep what was ended by a client."""
        return self.filter(ended_at__isnull=False)

    def open(self) -> Self:
        """Keep what was not ended, past its lifetime or not."""
        return self.filter(ended_at__isnull=True)

    def active(self, expired_until: datetime.datetime | None) -> Self:
        """Keep what is open and started after `expired_until` (see `sessions.expired_until`)."""
        if expired_until is None:
            return self.open()
        return self.open().started_from(expired_until + datetime.timedelta.resolution)

    def expired(self, expired_until: datetime.datetime | None) -> Self:
        """Keep what is open, but past its lifetime."""
        if expired_until is None:
            return self.none()
        return self.open().started_before(expired_until + datetime.timedelta.resolution)

    def inactive(self, expired_until: datetime.datetime | None) -> Self:
        """Keep what is ended, or past its lifetime."""
        if expired_until is None:
            return self.ended()
        limit = first_id(expired_until + datetime.timedelta.resolution)
        return self.filter(models.Q(ended_at__isnull=False) | models.Q(session_id__lt=limit))

    def delete_in_batches(self, size: int, *, newest_first: bool = False) -> Iterator[int]:
        """Delete the rows, each `size` of them in a transaction of their own; give how many, batch by batch.

        They are to come in the order of their ids, and `newest_first` says in which. Raises
        StoreUnavailable.
        """
        rows = self.primary().values_list("session_id", flat=True)
        beyond = "session_id__lt" if newest_first else "session_id__gt"
        following = rows
        while True:
            with available():
                ids = list(following[:size])
                if not ids:
                    return
                count, _ = self.model._default_manager.using(rows.db).filter(pk__in=ids).delete()
            yield count
            # Not from the first one again: PostgreSQL would walk over all that it has deleted meanwhile.
            following = rows.filter(**{beyond: ids[-1]})


class EndedSessionQuerySet(models.QuerySet["EndedSession"]):
    """Notes of ended sessions, for processes that want to know what is new."""

    def note(self, session_id: uuid.UUID) -> None:
        """Note that the session is ended by this very transaction."""
        self.create(session_id=session_id, transaction=CurrentTransaction(), noted_at=timezone.now())

    def mark(self) -> int:
        """Return where `since` is to go on the next time: what is noted before it is there to read now."""
        connection = connections[self.db]
        if connection.vendor != "postgresql":
            # One writer at a time, so ids are in the order of commits.
            return self.aggregate(last=models.Max("pk"))["last"] or 0
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
            [mark] = cursor.fetchone()
        return int(mark)

    def since(self, mark: int) -> models.QuerySet["EndedSession", uuid.UUID]:
        """Return the sessions that were noted since a mark, and maybe some more."""
        is_postgresql = connections[self.db].vendor == "postgresql"
        rows = self.filter(transaction__gte=mark) if is_postgresql else self.filter(pk__gt=mark)
        return rows.values_list("session_id", flat=True)

    def prune(self, now: datetime.datetime) -> None:
        """Remove what is older than twice `KEPT`."""
        self.filter(noted_at__lt=now - 2 * KEPT).delete()


class LinkedZephrSessionQuerySet(_ValuesQuerySet["LinkedZephrSession"]):
    """What was fetched of Zephr sessions; who fetches one claims it first."""

    def claim(self, zephr_session_id: str, now: datetime.datetime) -> bool:
        """Say whether the session is the caller's to fetch, whoever else asks at the same time.

        A claim without a result is anybody's again after `CLAIM_LASTS`.
        """
        _, is_new = self.get_or_create(pk=zephr_session_id, defaults={"claimed_at": now})
        abandoned = self.filter(pk=zephr_session_id, fetched_at=None, claimed_at__lte=now - CLAIM_LASTS)
        return is_new or bool(abandoned.update(claimed_at=now))

    def release(self, zephr_session_id: str, claimed_at: datetime.datetime) -> None:
        """Give a claim back, so that the session is fetched another time."""
        self.filter(pk=zephr_session_id, fetched_at=None, claimed_at=claimed_at).delete()


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """How keys are found and made; the text of a key exists only in the hands of who asked for it."""

    def update(self, **kwargs: Any) -> int:
        """Change keys, and let caches know, as `save()` does by its signal."""
        count = super().update(**kwargs)
        keys_changed.send(self.model)
        return count

    def primary(self) -> Self:
        """Return the same from the database that is written to: a replica may lag behind."""
        return self.using(router.db_for_write(self.model))

    @sensitive_variables("text")
    def issue(self, name: str, **fields: Any) -> tuple["ApiKey", str]:
        """Create a key; return it with its text, which cannot be had again.

        Raises ValidationError for a name, scopes or patterns that are not valid.
        """
        text = api_keys.generate()
        key = self.model(name=name, **fields)
        key.take(text)
        key.full_clean()
        key.save(force_insert=True)
        return key, text

    def with_digest(self, digest: str) -> "ApiKey | None":
        """Return the key whose text has this digest, revoked or not; None where there is none."""
        key = self.primary().filter(digest=digest).first()
        return key if key is not None and hmac.compare_digest(key.digest, digest) else None

    def revoke(self) -> int:
        """Revoke these keys, for good; return how many were not revoked before."""
        return self.filter(revoked_at=None).update(revoked_at=timezone.now())

    def note_use(self, key: "ApiKey", now: datetime.datetime) -> None:
        """Remember that the key was used; at most one write a minute, whoever else notes it too.

        Waits for no lock: where somebody else holds the row, or with SQLite the file, nothing is
        noted until a use some seconds later.
        """
        if key.use_is_noted(now):
            return
        stale = now - LAST_USE_PRECISION
        alias = router.db_for_write(self.model)
        unnoted = self.using(alias).filter(
            models.Q(last_used_at=None) | models.Q(last_used_at__lte=stale), pk=key.pk
        )
        # Not `self.update`: whatever caches keys need not forget them for this.
        note = partial(models.QuerySet.update, last_used_at=now)
        if connections[alias].features.has_select_for_update_skip_locked:
            with transaction.atomic(alias):
                free = unnoted.select_for_update(skip_locked=True).values_list("pk", flat=True)
                noted = free.first() is not None and bool(note(self.using(alias).filter(pk=key.pk)))
        else:
            # One statement, as a transaction would keep all others from writing until its end.
            with without_waiting(alias):
                noted = bool(note(unnoted))
        # For who keeps the key in memory: where somebody else was faster, or is at it, ask again soon.
        key.last_used_at = now if noted else stale + LAST_USE_RETRY
