"""Days in the site's `TIME_ZONE`. Sessions are counted by these; an operator may use another zone."""

import datetime

from django.utils import timezone

from .buckets import start_of_day


def zone() -> datetime.tzinfo:
    """Return the site's zone."""
    return timezone.get_default_timezone()


def day_of(moment: datetime.datetime) -> datetime.date:
    """Return the site's day that contains an aware time."""
    return moment.astimezone(zone()).date()


def today() -> datetime.date:
    """Return the site's current day."""
    return day_of(timezone.now())


def start_of(day: datetime.date) -> datetime.datetime:
    """Return the start of the site's day."""
    return start_of_day(day, zone())
