"""Days of the site's `TIME_ZONE`, by which sessions are counted; an operator may have another zone."""

import datetime

from django.utils import timezone

from .buckets import start_of_day


def zone() -> datetime.tzinfo:
    """Return the zone of the site."""
    return timezone.get_default_timezone()


def day_of(moment: datetime.datetime) -> datetime.date:
    """Return the site's day that an aware time lies in."""
    return moment.astimezone(zone()).date()


def today() -> datetime.date:
    """Return the day it is."""
    return day_of(timezone.now())


def start_of(day: datetime.date) -> datetime.datetime:
    """Return when the site's day begins."""
    return start_of_day(day, zone())
