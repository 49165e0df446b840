"""Times at the ends of the calendar. Other zones may be unable to write them; then the nearest is shown."""

import datetime
from collections.abc import Iterable
from typing import Any

from django.db import models
from django.utils import timezone


def showable(moment: datetime.datetime) -> datetime.datetime:
    """Return an aware time, or the nearest one that the current zone can write.

    In Kathmandu, 9999-12-31 23:59 UTC would be in the year 10000.
    """
    try:
        timezone.localtime(moment)
    except OverflowError:
        zone = timezone.get_current_timezone()
        if moment.year == datetime.MINYEAR:
            return datetime.datetime.min.replace(tzinfo=zone)
        return datetime.datetime.max.replace(microsecond=0, tzinfo=zone)
    return moment


def make_showable(rows: Iterable[models.Model]) -> None:
    """Change the times of rows to be shown; do not save these rows."""
    for row in rows:
        for field in row._meta.concrete_fields:
            # Not through a relation: the related row may not be loaded.
            value: Any = row.__dict__.get(field.attname)
            if isinstance(value, datetime.datetime):
                setattr(row, field.attname, showable(value))
