"""Model fields. Migrations leave out their validators and defaults: these do not change the table."""

from collections.abc import Sequence
from typing import Any

from django.db import models


class _Checked(models.Field):  # type: ignore[type-arg]
    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        """Return Django's own field class, so that migrations contain no path into this package."""
        name, _, args, kwargs = super().deconstruct()
        for left_out in ("default", "validators"):
            kwargs.pop(left_out, None)
        return name, f"django.db.models.{self.get_internal_type()}", args, kwargs


class CheckedCharField(_Checked, models.CharField):  # type: ignore[type-arg]
    """A text with validators."""


class CheckedJSONField(_Checked, models.JSONField):
    """A JSON value with validators and a default."""
