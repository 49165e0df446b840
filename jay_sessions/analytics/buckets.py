"""Buckets for charts and statistics: hours and days of a zone's wall clock.

A bucket begins when the wall clock shows a full hour, or midnight, or jumps over it. So a day with a
daylight-saving change has 23 or 25 hours, an hour that the clock shows twice is two buckets, and a
zone with an offset of 30 or 45 minutes has hours that begin then.
"""

import bisect
import datetime
import enum

from ..exceptions import InvalidValue

MAX_BUCKETS = 10_000


class Interval(enum.StrEnum):
    """The length of a bucket."""

    HOUR = "hour"
    DAY = "day"

    @property
    def step(self) -> datetime.timedelta:
        """The usual length."""
        return datetime.timedelta(**{f"{self}s": 1})

    @property
    def shown(self) -> int:
        """The number of buckets in a range without a given start, the last one included."""
        return 48 if self is Interval.HOUR else 30

    def start_of(self, moment: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime:
        """Return the start, in `zone`, of the bucket that contains an aware time.

        If the wall clock jumps over a start, the bucket begins at the first instant after the jump.
        """
        moment = moment.astimezone(datetime.UTC)
        if self is Interval.HOUR:
            return _start_of_hour(moment, zone)
        day = moment.astimezone(zone).date()
        # A clock that goes back over midnight shows the day before again, but the new day has begun.
        following = start_of_day(day + self.step, zone)
        return following if following <= moment else start_of_day(day, zone)

    def after(self, start: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime:
        """Return the start of the bucket after the one that begins at `start`."""
        if self is Interval.HOUR:
            return _hour_after(start.astimezone(datetime.UTC), zone)
        begun, day = start.astimezone(datetime.UTC), start.astimezone(zone).date()
        while True:
            # This loops more than once if the zone skips a day.
            day += self.step
            following = start_of_day(day, zone)
            if following > begun:
                return following

    def default_start(self, end: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime:
        """Return the start of a range that ends at `end` and has `shown` buckets."""
        last = self.start_of(end - datetime.timedelta.resolution, zone)
        back = (self.shown - 1) * self.step
        if self is Interval.DAY:
            return start_of_day(last.date() - back, zone)
        return self.start_of(last.astimezone(datetime.UTC) - back, zone)


def start_of_day(day: datetime.date, zone: datetime.tzinfo) -> datetime.datetime:
    """Return the start of the day in `zone`: the first time that the wall clock shows it, or jumps over that.

    A day that the zone skips begins, and ends, with the next one.
    """
    midnight = datetime.datetime.combine(day, datetime.time(), zone)
    begin = midnight.astimezone(datetime.UTC).astimezone(zone)
    if begin.replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return begin
    # Python converts a skipped time with the offset before the jump, or with `fold` with the offset
    # after it: the jump lies between the two results.
    jump = _move(midnight.replace(fold=1).astimezone(datetime.UTC), begin.astimezone(datetime.UTC), zone)
    return begin if jump is None else jump.astimezone(zone)


def _start_of_hour(moment: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime:
    wall = moment.astimezone(zone)
    begin = moment - _past_hour(wall)
    move = _move(begin, moment, zone)
    if move is None:
        return begin.astimezone(zone)
    before = move - datetime.timedelta.resolution
    if before.astimezone(zone).replace(tzinfo=None) < (wall - _past_hour(wall)).replace(tzinfo=None):
        return move.astimezone(zone)
    # The clock moved into the middle of the hour, so the bucket that was under way goes on.
    return _start_of_hour(before, zone)


def _hour_after(start: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime:
    following = start + Interval.HOUR.step - _past_hour(start.astimezone(zone))
    move = _move(start, following, zone)
    if move is None:
        return following.astimezone(zone)
    begin = _start_of_hour(move, zone)
    return begin if begin.astimezone(datetime.UTC) == move else _hour_after(move, zone)


def _past_hour(wall: datetime.datetime) -> datetime.timedelta:
    return datetime.timedelta(minutes=wall.minute, seconds=wall.second, microseconds=wall.microsecond)


def _move(low: datetime.datetime, high: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime | None:
    """Return the instant, after `low` and up to `high`, at which the zone's clock changes, else None.

    All are in UTC. Clocks change at full seconds, and at most once within a day.
    """
    before = low.astimezone(zone).utcoffset()
    if high.astimezone(zone).utcoffset() == before:
        return None
    first = low.replace(microsecond=0)
    second = datetime.timedelta(seconds=1)

    def has_moved(seconds: int) -> bool:
        return (first + seconds * second).astimezone(zone).utcoffset() != before

    return first + bisect.bisect_left(range((high - first) // second + 1), True, key=has_moved) * second


def starts(
    start: datetime.datetime, end: datetime.datetime, interval: Interval, zone: datetime.tzinfo
) -> list[datetime.datetime]:
    """Return the starts, in `zone`, of all buckets that overlap the range from `start` to before `end`.

    Raises InvalidValue for a range that is empty or has more than `MAX_BUCKETS` buckets.
    """
    # In UTC: Python compares times of the same zone by their wall clock.
    start, end = start.astimezone(datetime.UTC), end.astimezone(datetime.UTC)
    if end <= start:
        raise InvalidValue("range_empty", "The range should end after it begins.")
    beginnings = [interval.start_of(start, zone)]
    while (following := interval.after(beginnings[-1], zone)).astimezone(datetime.UTC) < end:
        beginnings.append(following)
        if len(beginnings) > MAX_BUCKETS:
            raise InvalidValue("range_too_long", f"The range should have at most {MAX_BUCKETS:,} buckets.")
    return beginnings
