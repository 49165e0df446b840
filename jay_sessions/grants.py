"""What an API key grants: scopes, playouts and origins, with their defaults and validators."""

import re

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from . import patterns
from .exceptions import InvalidValue
from .identifiers import check_text

_ORIGIN = re.compile(r"https?://[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?")


class Scope(models.TextChoices):
    """What a key may be used for."""

    TRACKING = "tracking", _("tracking: create, read and end sessions")
    ANALYTICS = "analytics", _("analytics: read what was collected")
    ZEPHR = "zephr", _("zephr: read Zephr sessions")


def default_scopes() -> list[str]:
    """Return what a key may do unless its creator says otherwise."""
    return [Scope.TRACKING.value]


def default_playouts() -> list[str]:
    """Return which playouts a key may use unless its creator says otherwise: all."""
    return [patterns.WILDCARD]


def validate_scopes(value: object) -> None:
    """Raise ValidationError unless `value` is a list of one scope or more, without repetition."""
    if not isinstance(value, list) or not value or not all(scope in Scope.values for scope in value):
        raise ValidationError(_("Scopes are a list of %(known)s."), params={"known": ", ".join(Scope.values)})
    if len(set(value)) != len(value):
        raise ValidationError(_("A scope is named twice."))


def validate_playouts(value: object) -> None:
    """Raise ValidationError unless `value` is a list of 1 to 100 patterns of 1 to 255 characters."""
    if not isinstance(value, list) or not 1 <= len(value) <= 100 or not all(value):
        raise ValidationError(_("Playouts are a list of 1 to 100 patterns of 1 to 255 characters."))
    for pattern in value:
        validate_text(pattern)


def validate_text(value: object) -> None:
    """Raise ValidationError for what `check_text` refuses: no database takes all of it."""
    try:
        check_text(value)
    except InvalidValue as error:
        raise ValidationError(error.message, error.kind) from error


def default_origins() -> list[str]:
    """Return from which origins a browser may use a key unless its creator says otherwise: any."""
    return []


def validate_origins(value: object) -> None:
    """Raise ValidationError unless `value` is a list of up to 100 origins as browsers send them."""
    known = isinstance(value, list) and all(
        isinstance(item, str) and _ORIGIN.fullmatch(item) for item in value
    )
    if not isinstance(value, list) or not known or len(value) > 100:
        raise ValidationError(_("Origins are a list of up to 100 such as https://www.example.com."))
