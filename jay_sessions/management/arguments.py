"""Types of commands' arguments. Each reads a text, or raises the error that argparse shows."""

import contextlib
import uuid
from argparse import ArgumentTypeError
from datetime import UTC, datetime

from django.utils import timezone


def moment(text: str) -> datetime:
    """Read a time in ISO 8601 and return it in UTC; without an offset it is in the site's time zone."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"must be a time such as 2026-03-01T00:00:00Z, not {text!r}") from error
    try:
        return (timezone.make_aware(value) if timezone.is_naive(value) else value).astimezone(UTC)
    except OverflowError as error:
        raise ArgumentTypeError("is out of range") from error


def rate(text: str) -> float:
    """Read a number of calls a second, above 0 and up to 1000."""
    with contextlib.suppress(ValueError):
        if 0 < (value := float(text)) <= 1000:
            return value
    raise ArgumentTypeError(f"must be a number above 0 and up to 1000, not {text!r}")


def at_least_one(text: str) -> int:
    """Read a whole number from 1 on."""
    with contextlib.suppress(ValueError):
        if (value := int(text)) >= 1:
            return value
    raise ArgumentTypeError(f"must be a whole number from 1 on, not {text!r}")


def session_id(text: str) -> uuid.UUID:
    """Read a session's id, a UUID of version 7 in any of its spellings."""
    with contextlib.suppress(ValueError):
        if (value := uuid.UUID(text)).version == 7:
            return value
    raise ArgumentTypeError(f"must be a UUID of version 7, as in `sessionId`, not {text!r}")
