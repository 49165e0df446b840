"""Days in the site's `TIME_ZONE`. Sessions are counted by these; an operator may use another zone."""

import datetime

from django.utils import timezone

from ..core.uuid7 import first_id, millisecond_of
from .buckets import start_of_day

_ONE_DAY = datetime.timedelta(days=1)
_DAY_MS = 24 * 60 * 60 * 1000


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


class Days:
    """Finds the days of many times in the site's zone. Days are numbered as by `date.toordinal`."""

    def __init__(self) -> None:
        self._zone = zone()
        self._known: dict[int, list[tuple[int, int, int]]] = {}
        self._begins: dict[int, int] = {}

    def number(self, milliseconds: int) -> int:
        """Return the number of the day that contains a time, given in milliseconds since 1970.

        Where a clock goes back over midnight, the new day has begun.
        """
        known = self._known.setdefault(milliseconds // _DAY_MS, [])
        for begin, end, number in known:
            if begin <= milliseconds < end:
                return number
        moment = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
        number = moment.astimezone(self._zone).toordinal()
        while milliseconds >= self.begin(number + 1):
            number += 1
        known.append((self.begin(number), self.begin(number + 1), number))
        return number

    def begin(self, number: int) -> int:
        """Return the start of a day, in milliseconds since 1970."""
        if number not in self._begins:
            start = start_of_day(datetime.date.fromordinal(number), self._zone)
            self._begins[number] = millisecond_of(first_id(start))
        return self._begins[number]
