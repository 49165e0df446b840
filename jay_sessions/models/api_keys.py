"""API keys: the table, and how keys are made, found and revoked."""

import datetime
import hmac
from functools import partial
from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.db import connections, models, router, transaction
from django.dispatch import Signal
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from ..core import key_text, patterns
from ..core.secret_text import Secret
from ..database.clock import MARGIN
from ..database.errors import without_waiting
from .fields import CheckedCharField, CheckedJSONField
from .grants import (
    Scope,
    default_origins,
    default_playouts,
    default_scopes,
    validate_expiry,
    validate_origins,
    validate_playouts,
    validate_scopes,
    validate_text,
)

keys_changed = Signal()
"""Sent after a bulk change of keys, because Django then sends no `post_save`. The sender is `ApiKey`."""

LAST_USE_PRECISION = datetime.timedelta(minutes=1)
LAST_USE_RETRY = datetime.timedelta(seconds=5)


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Makes and finds keys. The text of a key is not stored: only the caller of `issue` gets it."""

    def update(self, **kwargs: Any) -> int:
        """Change keys, and send `keys_changed` to caches, as `save()` does by its own signal."""
        count = super().update(**kwargs)
        keys_changed.send(self.model)
        return count

    def primary(self) -> Self:
        """Return the same query for the database that takes the writes: a replica may be behind."""
        return self.using(router.db_for_write(self.model))

    @sensitive_variables("text")
    def issue(self, name: str, **fields: Any) -> tuple["ApiKey", Secret]:
        """Create a key; return it and its text. Nobody can get the text later.

        Spaces around the name are removed, as in the admin. Raises ValidationError for an invalid name, scope
        or pattern.
        """
        text = key_text.generate()
        key = self.model(name=name.strip(), **fields)
        key.set_text(text)
        key.full_clean()
        key.save(force_insert=True)
        return key, text

    def with_digest(self, digest: str) -> "ApiKey | None":
        """Return the key with this digest of its text, revoked or not; None if there is none."""
        key = self.primary().filter(digest=digest).first()
        return key if key is not None and hmac.compare_digest(key.digest, digest) else None

    def revoke(self) -> int:
        """Revoke these keys for good; return how many of them were not revoked before."""
        return self.filter(revoked_at=None).update(revoked_at=timezone.now())

    def note_use(self, key: "ApiKey", now: datetime.datetime) -> None:
        """Store that the key was used at `now`: at most one write a minute, for all processes together.

        It never waits for a lock. If another transaction holds the row (with SQLite, the file), nothing is
        stored; a use some seconds later tries again.
        """
        if key.was_used_recently(now):
            return
        stale = now - LAST_USE_PRECISION
        alias = router.db_for_write(self.model)
        unnoted = self.using(alias).filter(
            models.Q(last_used_at=None)
            | models.Q(last_used_at__lte=stale)
            | models.Q(last_used_at__gt=now + MARGIN),
            pk=key.pk,
        )
        # Not `self.update`: caches of keys need not forget them for this.
        note = partial(models.QuerySet.update, last_used_at=now)
        if connections[alias].features.has_select_for_update_skip_locked:
            with transaction.atomic(alias):
                free = unnoted.select_for_update(skip_locked=True).values_list("pk", flat=True)
                noted = free.first() is not None and bool(note(self.using(alias).filter(pk=key.pk)))
        else:
            # One statement, because a transaction would block all other writers until its end.
            with without_waiting(alias):
                noted = bool(note(unnoted))
        # Update the cached object too; if another process holds the row, retry in 5 seconds.
        key.last_used_at = now if noted else stale + LAST_USE_RETRY


class ApiKey(models.Model):
    """A client's permission to call the API: its scopes, its playouts and its origins."""

    name = CheckedCharField(
        _("name"),
        max_length=100,
        validators=[validate_text],
        help_text=_("The key's owner, as people know it."),
    )
    prefix = models.CharField(_("prefix"), max_length=key_text.PREFIX_LENGTH, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = CheckedJSONField(_("scopes"), default=default_scopes, validators=[validate_scopes])
    playouts = CheckedJSONField(
        _("playouts"),
        default=default_playouts,
        validators=[validate_playouts],
        help_text=_("Patterns of playout ids; * stands for any characters."),
    )
    origins = CheckedJSONField(
        _("origins"),
        default=default_origins,
        blank=True,
        validators=[validate_origins],
        help_text=_(
            "Web origins that may use the key in a browser, such as https://www.example.com. "
            "Empty: any origin."
        ),
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

    def clean(self) -> None:
        # The expiry of a stored key stays valid.
        if self._state.adding and self.expires_at is not None:
            try:
                validate_expiry(self.expires_at)
            except ValidationError as error:
                raise ValidationError({"expires_at": error}) from error

    def set_text(self, text: str) -> None:
        """Set the prefix and the digest of the text; the text itself is not stored."""
        self.prefix = key_text.prefix(text)
        self.digest = key_text.digest(text)

    def is_live(self, now: datetime.datetime) -> bool:
        """Say whether the key is neither revoked nor expired at an aware time."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def was_used_recently(self, now: datetime.datetime) -> bool:
        """Say whether the last stored use is so recent that another one need not be stored.

        A time far in the future, from a host with a wrong clock, does not count.
        """
        noted = self.last_used_at
        return noted is not None and now - LAST_USE_PRECISION < noted <= now + MARGIN

    def has_scope(self, scope: Scope) -> bool:
        """Say whether the key has this scope."""
        return scope in self.scopes

    def allows_origin(self, origin: str) -> bool:
        """Say whether a page of this origin may use the key; `origin` is the header `Origin`, or ""."""
        return not self.origins or not origin or origin.lower() in self.origins

    def may_use(self, playout_id: str) -> bool:
        """Say whether one of the key's patterns matches the playout."""
        return patterns.any_matches(self.playouts, playout_id)

    def may_use_all(self) -> bool:
        """Say whether one of the key's patterns matches every playout."""
        return any(set(pattern) == {patterns.WILDCARD} for pattern in self.playouts)
