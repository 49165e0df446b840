"""The grants of an API key (scopes, playouts, origins, expiry), with defaults and validators."""

import datetime
import re

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from ..core import patterns
from ..core.identifiers import check_text
from ..exceptions import InvalidValue

_ORIGIN = re.compile(r"https?://[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?")


class Scope(models.TextChoices):
    """A group of endpoints that a key may use."""

    TRACKING = "tracking", _("tracking: create, read and end sessions")
    ANALYTICS = "analytics", _("analytics: read what was collected")
    ZEPHR = "zephr", _("zephr: read Zephr sessions")


def default_scopes() -> list[str]:
    """Return the scopes of a new key if its creator names none."""
    return [Scope.TRACKING.value]


def default_playouts() -> list[str]:
    """Return the playouts of a new key if its creator names none: all."""
    return [patterns.WILDCARD]


def validate_scopes(value: object) -> None:
    """Raise ValidationError unless `value` is a list of one or more different scopes."""
    if not isinstance(value, list) or not value or not all(scope in Scope.values for scope in value):
        raise ValidationError(
            _("Scopes must be a list of %(known)s."), params={"known": ", ".join(Scope.values)}
        )
    if len(set(value)) != len(value):
        raise ValidationError(_("A scope is named twice."))


def validate_playouts(value: object) -> None:
    """Raise ValidationError unless `value` is a list of 1 to 100 patterns of 1 to 255 characters."""
    if not isinstance(value, list) or not 1 <= len(value) <= 100 or not all(value):
        raise ValidationError(
            _("Playouts must be a list of 1 to 100 patterns, each with 1 to 255 characters.")
        )
    for pattern in value:
        validate_text(pattern)


def validate_text(value: object) -> None:
    """Raise ValidationError for a text that `check_text` refuses: a database may not accept it."""
    try:
        check_text(value)
    except InvalidValue as error:
        raise ValidationError(error.message, error.kind) from error


LATEST_EXPIRY = datetime.datetime(9999, 12, 30, tzinfo=datetime.UTC)
"""The latest time that can be written in every time zone."""


def validate_expiry(value: datetime.datetime) -> None:
    """Raise ValidationError for an aware time after `LATEST_EXPIRY`."""
    if value > LATEST_EXPIRY:
        raise ValidationError(_("Choose a time before the last days of the year 9999, or none at all."))


def default_origins() -> list[str]:
    """Return the origins of a new key if its creator names none: an empty list allows all."""
    return []


def validate_origins(value: object) -> None:
    """Raise ValidationError unless `value` is a list of up to 100 origins in the form that browsers send."""
    known = isinstance(value, list) and all(
        isinstance(item, str) and _ORIGIN.fullmatch(item) for item in value
    )
    if not isinstance(value, list) or not known or len(value) > 100:
        raise ValidationError(
            _(
                "Origins must be a list of up to 100 web origins such as https://www.example.com: in lower "
                "case, with nothing after the host and port, not even a slash."
            )
        )
