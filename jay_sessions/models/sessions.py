"""Tracking sessions: the table, and how rows are found and deleted."""

import datetime
from collections.abc import Iterable
from typing import Any, ClassVar, Self, cast

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import connections, models, router, transaction
from django.utils.translation import gettext_lazy as _

from .. import conf
from ..core.identifiers import MAX_LENGTH
from ..core.uuid7 import carries, first_id, shortened
from ..database import estimates
from .deletions import DeletingQuerySet, end_deleted
from .ended import EndedSession
from .expressions import NotAbove, NotBelow, along_index
from .rollups import LateSession


class TrackingSessionQuerySet(DeletingQuerySet["TrackingSession"]):
    """Filters for sessions. An id contains the start (see `uuid7`), so a time range is a range of ids."""

    def bulk_create(self, objs: Iterable["TrackingSession"], *args: Any, **kwargs: Any) -> Any:
        """Insert sessions, and let the rollups count them, whatever their time is.

        Raises ValidationError if an id does not contain its session's start.
        """
        objs = list(objs)
        for session in objs:
            check_id(session)
        self._for_write = True
        ids = {session.session_id for session in objs}
        with transaction.atomic(self.db):
            if kwargs.get("ignore_conflicts") or kwargs.get("update_conflicts"):
                # What is stored already is counted already.
                stored = self.model._default_manager.using(self.db).filter(pk__in=ids)
                ids -= set(stored.values_list("pk", flat=True))
            created = super().bulk_create(objs, *args, **kwargs)
            LateSession.objects.using(self.db).note(ids)
        return created

    def primary(self) -> Self:
        """Return the same query for the database that takes the writes: a replica may be behind."""
        return self.using(router.db_for_write(self.model))

    def with_value(self, field: str, value: str) -> Self:
        """Keep the rows with this playout or user, newest first, in the order of the index.

        PostgreSQL's planner knows how many such rows there are, but not that all of them may be old. For
        `field = value` ordered by id, it would read all sessions from the newest on. So the query asks for a
        range of values in the order of the index.
        """
        if connections[self.db].vendor != "postgresql":
            return self.filter(**{field: value}).order_by("-session_id")
        rows = self.filter(NotBelow(models.F(field), value), NotAbove(models.F(field), value))
        return rows.order_by(*along_index(field))

    def starting_with(self, field: str, prefix: str) -> Self:
        """Keep the rows in which `playout_id` or `user_id` begins with `prefix`, in the order of the index.

        Upper and lower case differ.
        """
        if connections[self.db].vendor == "postgresql":
            rows = self.filter(**{f"{field}__startswith": prefix})
        else:
            # SQLite's LIKE ignores case and reads all rows, but its comparison goes by code point. No text
            # is longer than this limit.
            last = prefix + "\U0010ffff" * MAX_LENGTH
            rows = self.filter(**{f"{field}__gte": prefix, f"{field}__lte": last})
        return rows.order_by(*along_index(field))

    def count_up_to(self, limit: int) -> int:
        """Return the number of rows, at most `limit`. It reads no more rows than that.

        The order stays in the query, because it selects the index.
        """
        return self[:limit].count()

    def estimated_count(self) -> int | None:
        """Return the database's estimate for the rows of the whole table; None if it has none."""
        return estimates.rows(connections[self.db], self.model._meta.db_table)

    def started_from(self, moment: datetime.datetime) -> Self:
        """Keep the sessions that started at `moment` (aware) or later."""
        return self.filter(session_id__gte=first_id(moment))

    def started_before(self, moment: datetime.datetime) -> Self:
        """Keep the sessions that started before `moment` (aware)."""
        return self.filter(session_id__lt=first_id(moment))

    def started_between(self, begin: datetime.datetime, end: datetime.datetime) -> Self:
        """Keep the sessions that started from `begin` to before `end` (both aware)."""
        return self.started_from(begin).started_before(end)

    def of_user(self, user_id: str) -> Self:
        """Keep a user's sessions. `user_id` is the plain id or a stored form of it."""
        return self.filter(user_id__in=conf.get().user_ids.forms(user_id))

    def ended(self) -> Self:
        """Keep the sessions that were ended, for any reason."""
        return self.filter(end__isnull=False)

    def open(self) -> Self:
        """Keep the sessions that were not ended, expired or not.

        Each session's end is looked up: for a join, PostgreSQL would read all ends there are, if it has many
        sessions to look at.
        """
        end = EndedSession.objects.filter(session=models.OuterRef("session_id")).values("reason")[:1]
        # Of `IS NULL` alone, PostgreSQL expects that it holds for few sessions, and then sorts them.
        is_open = models.When(reason__isnull=True, then=True)
        return self.alias(reason=models.Subquery(end)).filter(models.Case(is_open, default=False))

    def active(self, expired_until: datetime.datetime | None) -> Self:
        """Keep the open sessions that started after `expired_until` (see `Settings.expired_until`)."""
        if expired_until is None:
            return self.open()
        return self.open().started_from(expired_until + datetime.timedelta.resolution)

    def expired(self, expired_until: datetime.datetime | None) -> Self:
        """Keep the sessions that were not ended but have expired."""
        if expired_until is None:
            return self.none()
        return self.open().started_before(expired_until + datetime.timedelta.resolution)

    def inactive(self, expired_until: datetime.datetime | None) -> Self:
        """Keep the sessions that were ended or have expired."""
        if expired_until is None:
            return self.ended()
        limit = first_id(expired_until + datetime.timedelta.resolution)
        return self.filter(models.Q(end__isnull=False) | models.Q(session_id__lt=limit))


class TrackingSession(models.Model):
    """One confirmed POST. A row is inserted and deleted; only the erasure of a user changes it.

    Its end, if there is one, is a row of `EndedSession`.
    """

    session_id = models.UUIDField(_("session id"), primary_key=True, editable=False)
    playout_id = models.CharField(_("playout"), max_length=MAX_LENGTH)
    provider_name = models.CharField(_("provider"), max_length=MAX_LENGTH, null=True, blank=True)
    user_id = models.CharField(_("user id"), max_length=MAX_LENGTH, null=True, blank=True)
    source = models.CharField(_("source"), max_length=MAX_LENGTH)
    started_at = models.DateTimeField(_("started"))
    # No constraint and no index: so an insert neither locks the key's row nor fails if the key was deleted
    # meanwhile, and the deletion of a key changes no session.
    api_key = models.ForeignKey(
        "ApiKey",
        models.DO_NOTHING,
        verbose_name=_("API key"),
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    # The same: the id is stored before Zephr is asked.
    zephr_session = models.ForeignKey(
        "LinkedZephrSession",
        models.DO_NOTHING,
        verbose_name=_("Zephr session"),
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )

    objects = TrackingSessionQuerySet.as_manager()

    class Meta:
        db_table = "jay_tracking_session"
        verbose_name = _("tracking session")
        verbose_name_plural = _("tracking sessions")
        ordering: ClassVar = ["-session_id"]
        # Each ends with the id, so with the time: "newest first" needs no sort, a period needs no scan.
        indexes: ClassVar = [
            # On PostgreSQL compared byte by byte, so that they also serve prefixes in any collation.
            models.Index(
                fields=["playout_id", "session_id"],
                name="jay_session_playout",
                opclasses=["varchar_pattern_ops", "uuid_ops"],
            ),
            # Each session is in one of these two, so that anonymous ones, too, are found newest first.
            models.Index(
                fields=["user_id", "session_id"],
                name="jay_session_user",
                opclasses=["varchar_pattern_ops", "uuid_ops"],
                condition=models.Q(user_id__isnull=False),
            ),
            models.Index(
                fields=["session_id"], name="jay_session_anonymous", condition=models.Q(user_id__isnull=True)
            ),
            # Costs nothing if no session is linked.
            models.Index(
                fields=["zephr_session", "session_id"],
                name="jay_session_zephr",
                condition=models.Q(zephr_session__isnull=False),
            ),
        ]
        permissions: ClassVar = [
            ("lookup_zephr_session", _("Can look up Zephr sessions")),
            ("export_trackingsession", _("Can export tracking sessions")),
            ("end_trackingsession", _("Can end tracking sessions")),
        ]

    def __str__(self) -> str:
        return shortened(self.session_id)

    @property
    def ended_at(self) -> datetime.datetime | None:
        """The aware time at which the session ended; None if it has not. See `select_related("end")`."""
        try:
            return self.end.ended_at
        except ObjectDoesNotExist:
            return None

    def clean(self) -> None:
        check_id(self)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the session; a new one is counted by the rollups, whatever its time is.

        Raises ValidationError if a new session's id does not contain its start.
        """
        if not self._state.adding:
            super().save(*args, **kwargs)
            return
        check_id(self)
        alias = kwargs.get("using") or router.db_for_write(TrackingSession, instance=self)
        with transaction.atomic(alias):
            super().save(*args, **kwargs)
            LateSession.objects.using(alias).note([self.session_id])

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        """Delete the session. Its end stays if its token may still be valid."""
        alias = using or router.db_for_write(TrackingSession, instance=self)
        with transaction.atomic(alias):
            end_deleted([self.session_id], alias)
            return super().delete(using=alias, keep_parents=keep_parents)

    delete.alters_data = True  # type: ignore[attr-defined]


def check_id(session: "TrackingSession") -> None:
    """Raise ValidationError unless the id contains the session's start: queries by time depend on it."""
    names = ("session_id", "started_at")
    # Converted first, because a site's code may have set texts.
    fields = [cast(Any, session._meta.get_field(name)) for name in names]
    values = [field.get_prep_value(getattr(session, field.name)) for field in fields]
    if None in values or not carries(*values):
        text = "The id must contain the start: make it with core.uuid7.uuid7(started_at, random_bits)."
        raise ValidationError({"session_id": text})
