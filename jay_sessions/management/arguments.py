"""Types of commands' arguments. Each reads a text, or raises the error that argparse shows."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime

from django.utils import timezone


def moment(text: str) -> datetime:
    """Read a time in ISO 8601 and return it in UTC; without an offset it is in the site's time zone."""
    value = datetime.fromisoformat(text)
    try:
        return (timezone.make_aware(value) if timezone.is_naive(value) else value).astimezone(UTC)
    except OverflowError as error:
        raise ArgumentTypeError("is out of range") from error


def rate(text: str) -> float:
    """Read a number of calls a second, above 0 and up to 1000."""
    value = float(text)
    if not 0 < value <= 1000:
        raise ValueError(text)
    return value


def at_least_one(text: str) -> int:
    """Read a whole number from 1 on."""
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value
