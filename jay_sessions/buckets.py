"""Hours and days as a zone's wall clock shows them: what charts and statistics count in.

A bucket begins when the wall clock shows a full hour, or midnight, or jumps over it. So a day of a
daylight-saving change has 23 or 25 hours, an hour that the clock shows twice is two buckets, and a
zone off by 30 or 45 minutes has hours that begin then.
"""

import datetime
import enum

from .exceptions import InvalidValue

MAX_BUCKETS = 10_000


class Interval(enum.StrEnum):
    """How long a bucket is."""

    HOUR = "hour"
    DAY = "day"

    @property
    def step(self) -> datetime.timedelta:
        """The ordinary length."""
        return datetime.timedelta(**{f"{self}s": 1})

    @property
    def shown(self) -> int:
        """How many buckets a range has for which nobody named a beginning: the last one included."""
        return 48 if self is Interval.HOUR else 30

    def start_of(self, moment: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime:
        """Return the beginning, in `zone`, of the bucket that an aware time lies in.

        Where the wall clock jumps over a beginning, it is written as the clock before the jump has it.
        """
        wall = moment.astimezone(zone).replace(minute=0, second=0, microsecond=0)
        # An hour that is shown twice begins twice, a day only once.
        return wall if self is Interval.HOUR else wall.replace(hour=0, fold=0)

    def after(self, start: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime:
        """Return the beginning of the bucket after the one that begins at `start`."""
        begun = moment = start.astimezone(datetime.UTC)
        while True:
            moment += self.step
            following = self.start_of(moment, zone)
            if following.astimezone(datetime.UTC) > begun:
                return following

    def default_start(self, end: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime:
        """Return where a range begins that ends at `end` and has `shown` buckets."""
        last = self.start_of(end - datetime.timedelta.resolution, zone)
        back = (self.shown - 1) * self.step
        if self is Interval.DAY:
            return start_of_day(last.date() - back, zone)
        return self.start_of(last.astimezone(datetime.UTC) - back, zone)


def start_of_day(day: datetime.date, zone: datetime.tzinfo) -> datetime.datetime:
    """Return, in `zone`, when the day begins there."""
    # From noon, which no daylight-saving change puts into another day.
    return Interval.DAY.start_of(datetime.datetime.combine(day, datetime.time(12), zone), zone)


def starts(
    start: datetime.datetime, end: datetime.datetime, interval: Interval, zone: datetime.tzinfo
) -> list[datetime.datetime]:
    """Return, in `zone`, the beginnings of all buckets that the range from `start` to before `end` meets.

    Raises InvalidValue for a range that is empty or meets more than `MAX_BUCKETS`.
    """
    # In UTC: within one zone, Python compares what the clocks show.
    start, end = start.astimezone(datetime.UTC), end.astimezone(datetime.UTC)
    if end <= start:
        raise InvalidValue("range_empty", "The range should end after it begins.")
    found = [interval.start_of(start, zone)]
    while (following := interval.after(found[-1], zone)).astimezone(datetime.UTC) < end:
        found.append(following)
        if len(found) > MAX_BUCKETS:
            raise InvalidValue("range_too_long", f"The range should have at most {MAX_BUCKETS:,} buckets.")
    return found
