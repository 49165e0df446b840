"""What is stored: tracking sessions and API keys."""

import datetime
import hmac
from typing import Any, ClassVar, Self, cast

from django.db import connections, models, router, transaction
from django.dispatch import Signal
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from . import api_keys, patterns
from .grants import (
    Scope,
    default_origins,
    default_playouts,
    default_scopes,
    validate_origins,
    validate_playouts,
    validate_scopes,
    validate_text,
)
from .identifiers import MAX_LENGTH
from .store import without_waiting
from .uuid7 import first_id

keys_changed = Signal()
"""Sent when keys were changed in bulk, where Django sends no `post_save`."""


LAST_USE_PRECISION = datetime.timedelta(minutes=1)
LAST_USE_RETRY = datetime.timedelta(seconds=5)


class TrackingSessionQuerySet(models.QuerySet["TrackingSession"]):
    """Times are asked as ranges of ids: an id carries its session's start (see `uuid7`)."""

    def primary(self) -> Self:
        """Return the same from the database that is written to: a replica may lag behind."""
        return self.using(router.db_for_write(self.model))

    def started_from(self, moment: datetime.datetime) -> Self:
        """Keep what started at `moment` or later."""
        return self.filter(session_id__gte=first_id(moment))

    def started_before(self, moment: datetime.datetime) -> Self:
        """Keep what started earlier than `moment`."""
        return self.filter(session_id__lt=first_id(moment))

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


class TrackingSession(models.Model):
    """One acknowledged POST. Rows are inserted, ended once, and removed; nothing else changes them."""

    session_id = models.UUIDField(_("session id"), primary_key=True, editable=False)
    playout_id = models.CharField(_("playout"), max_length=MAX_LENGTH)
    provider_name = models.CharField(_("provider"), max_length=MAX_LENGTH, null=True, blank=True)
    user_id = models.CharField(_("user id"), max_length=MAX_LENGTH, null=True, blank=True)
    source = models.CharField(_("source"), max_length=MAX_LENGTH)
    started_at = models.DateTimeField(_("started"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    # No constraint and no index: an insert then neither locks the key's row nor fails because the
    # key was deleted meanwhile, and deleting a key touches none of its sessions.
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

    objects = TrackingSessionQuerySet.as_manager()

    class Meta:
        db_table = "jay_tracking_session"
        verbose_name = _("tracking session")
        verbose_name_plural = _("tracking sessions")
        ordering: ClassVar = ["-session_id"]
        # Each ends with the id, hence with the time: newest first needs no sort, a period no scan.
        indexes: ClassVar = [
            models.Index(fields=["playout_id", "session_id"], name="jay_session_playout"),
            models.Index(fields=["provider_name", "session_id"], name="jay_session_provider"),
            models.Index(fields=["user_id", "session_id"], name="jay_session_user"),
            models.Index(fields=["source", "session_id"], name="jay_session_source"),
            models.Index(
                fields=["session_id"], name="jay_session_ended", condition=models.Q(ended_at__isnull=False)
            ),
        ]
        permissions: ClassVar = [("lookup_zephr_session", _("Can look up Zephr sessions"))]

    def __str__(self) -> str:
        return str(self.session_id)


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

    @sensitive_variables("text")
    def find(self, text: str) -> "ApiKey | None":
        """Return the key with this text, revoked or not; None where there is none."""
        return self.with_digest(api_keys.digest(text)) if api_keys.has_form(text) else None

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
        stale = now - LAST_USE_PRECISION
        if key.last_used_at is not None and key.last_used_at > stale:
            return
        alias = router.db_for_write(self.model)
        unnoted = self.using(alias).filter(
            models.Q(last_used_at=None) | models.Q(last_used_at__lte=stale), pk=key.pk
        )
        noted = False
        with without_waiting(alias), transaction.atomic(alias):
            if connections[alias].features.has_select_for_update_skip_locked:
                unnoted = unnoted.select_for_update(skip_locked=True)
            if unnoted.values_list("pk", flat=True).first() is not None:
                # Not `self.update`: whatever caches keys need not forget them for this.
                noted = bool(models.QuerySet.update(self.using(alias).filter(pk=key.pk), last_used_at=now))
        # For who keeps the key in memory: where somebody else was faster, or is at it, ask again soon.
        key.last_used_at = now if noted else stale + LAST_USE_RETRY


class ApiKey(models.Model):
    """Who may call the API, for what and on which playouts."""

    name = models.CharField(
        _("name"), max_length=100, validators=[validate_text], help_text=_("Whose key it is, for people.")
    )
    prefix = models.CharField(_("prefix"), max_length=api_keys.PREFIX_LENGTH, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(_("scopes"), default=default_scopes, validators=[validate_scopes])
    playouts = models.JSONField(
        _("playouts"),
        default=default_playouts,
        validators=[validate_playouts],
        help_text=_("Patterns of playout ids; * stands for any characters."),
    )
    origins = models.JSONField(
        _("origins"),
        default=default_origins,
        blank=True,
        validators=[validate_origins],
        help_text=_("Where a browser may use the key, as https://www.example.com; none for anywhere."),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        db_table = "jay_api_key"
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering: ClassVar = ["name", "pk"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def take(self, text: str) -> None:
        """Become the key with this text; only its prefix and its digest stay."""
        self.prefix = api_keys.prefix(text)
        self.digest = api_keys.digest(text)

    def is_live(self, now: datetime.datetime) -> bool:
        """Say whether the key is neither revoked nor expired at an aware time."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def has_scope(self, scope: Scope) -> bool:
        """Say whether the key may be used for this."""
        return scope.value in self.scopes

    def is_good_at(self, origin: str) -> bool:
        """Say whether a page of this origin may use the key; `origin` is the request's header, or empty."""
        return not self.origins or not origin or origin.lower() in self.origins

    def may_use(self, playout_id: str) -> bool:
        """Say whether one of the key's patterns matches the playout."""
        return any(patterns.matches(pattern, playout_id) for pattern in self.playouts)
