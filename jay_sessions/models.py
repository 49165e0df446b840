"""What is stored: tracking sessions, API keys, and what is known of linked Zephr sessions."""

import datetime
from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from . import (
    api_keys,
    patterns,
    rollup_models,  # noqa: F401 (Django finds models here)
)
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
from .querysets import (
    LAST_USE_PRECISION,
    ApiKeyQuerySet,
    EndedSessionQuerySet,
    LinkedZephrSessionQuerySet,
    TrackingSessionQuerySet,
)


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
    # Likewise, as it is stored before anybody has asked Zephr.
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
        # Each ends with the id, hence with the time: newest first needs no sort, a period no scan.
        indexes: ClassVar = [
            # Compared byte by byte on PostgreSQL, so that they serve beginnings, too, in any collation.
            models.Index(
                fields=["playout_id", "session_id"],
                name="jay_session_playout",
                opclasses=["varchar_pattern_ops", "uuid_ops"],
            ),
            models.Index(fields=["provider_name", "session_id"], name="jay_session_provider"),
            # A session is in one of these two: anonymous ones, too, are found newest first.
            models.Index(
                fields=["user_id", "session_id"],
                name="jay_session_user",
                opclasses=["varchar_pattern_ops", "uuid_ops"],
                condition=models.Q(user_id__isnull=False),
            ),
            models.Index(
                fields=["session_id"], name="jay_session_anonymous", condition=models.Q(user_id__isnull=True)
            ),
            models.Index(fields=["source", "session_id"], name="jay_session_source"),
            models.Index(
                fields=["session_id"], name="jay_session_ended", condition=models.Q(ended_at__isnull=False)
            ),
            # Costs nothing where no session is linked.
            models.Index(
                fields=["zephr_session", "session_id"],
                name="jay_session_zephr",
                condition=models.Q(zephr_session__isnull=False),
            ),
        ]
        permissions: ClassVar = [
            ("lookup_zephr_session", _("Can look up Zephr sessions")),
            ("export_trackingsession", _("Can export tracking sessions")),
        ]

    def __str__(self) -> str:
        return str(self.session_id)


class EndedSession(models.Model):
    """A note that a session was ended, which other processes read; kept for some hours (`querysets.KEPT`).

    `transaction` is the id of the transaction on PostgreSQL. Only inserted and deleted.
    """

    session_id = models.UUIDField()
    transaction = models.BigIntegerField(db_index=True)
    noted_at = models.DateTimeField(db_index=True)

    objects = EndedSessionQuerySet.as_manager()

    class Meta:
        db_table = "jay_ended_session"


FACTS = ("state", "user_state", "device", "browser", "os", "country")
"""What of a Zephr session is of use for analytics."""


class LinkedZephrSession(models.Model):
    """What Zephr said of a session that a tracking session is linked to; fetched later, or not yet.

    `fetched_at` is None until then; a session that Zephr does not know has nothing but that.
    """

    zephr_session_id = models.CharField(_("Zephr session id"), max_length=MAX_LENGTH, primary_key=True)
    claimed_at = models.DateTimeField(_("claimed"))
    fetched_at = models.DateTimeField(_("fetched"), null=True)
    state = models.CharField(_("Zephr state"), max_length=MAX_LENGTH, null=True)
    user_state = models.CharField(_("user state"), max_length=MAX_LENGTH, null=True)
    device = models.CharField(_("device"), max_length=MAX_LENGTH, null=True)
    browser = models.CharField(_("browser"), max_length=MAX_LENGTH, null=True)
    os = models.CharField(_("operating system"), max_length=MAX_LENGTH, null=True)
    country = models.CharField(_("country"), max_length=MAX_LENGTH, null=True)

    objects = LinkedZephrSessionQuerySet.as_manager()

    class Meta:
        db_table = "jay_zephr_session"
        verbose_name = _("linked Zephr session")
        verbose_name_plural = _("linked Zephr sessions")
        indexes: ClassVar = [models.Index(fields=[name], name=f"jay_zephr_{name}") for name in FACTS]

    def facts(self) -> dict[str, str | None]:
        """Return what Zephr said, by the fields' names."""
        return {name: getattr(self, name) for name in FACTS}

    def __str__(self) -> str:
        # Shortened: whoever holds a whole session id may be that session.
        return f"{self.zephr_session_id[:8]}…"


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

    def use_is_noted(self, now: datetime.datetime) -> bool:
        """Say whether the last use that was noted is so young that another one need not be."""
        return self.last_used_at is not None and self.last_used_at > now - LAST_USE_PRECISION

    def has_scope(self, scope: Scope) -> bool:
        """Say whether the key may be used for this."""
        return scope in self.scopes

    def is_good_at(self, origin: str) -> bool:
        """Say whether a page of this origin may use the key; `origin` is the request's header, or empty."""
        return not self.origins or not origin or origin.lower() in self.origins

    def may_use(self, playout_id: str) -> bool:
        """Say whether one of the key's patterns matches the playout."""
        return patterns.any_matches(self.playouts, playout_id)
