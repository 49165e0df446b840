"""Months, weeks and days of UTC, as the lengths of partitions."""

import datetime
import enum
import math

_ONE_DAY = datetime.timedelta(days=1)


class Length(enum.StrEnum):
    """How long a period is. A week begins on Monday."""

    MONTH = "month"
    WEEK = "week"
    DAY = "day"

    def end_after(self, moment: datetime.datetime) -> datetime.datetime:
        """Return the end of the period that contains `moment` (aware): an aware midnight in UTC after it."""
        day = moment.astimezone(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if self is Length.DAY:
            return day + _ONE_DAY
        if self is Length.WEEK:
            return day + (7 - day.weekday()) * _ONE_DAY
        return (day.replace(day=1) + 32 * _ONE_DAY).replace(day=1)

    def ends(self, moment: datetime.datetime, ahead: int) -> list[datetime.datetime]:
        """Return the ends of the period that contains `moment` and of the `ahead` periods after it."""
        found = [self.end_after(moment)]
        for _ in range(ahead):
            found.append(self.end_after(found[-1]))
        return found

    def most_within(self, time: datetime.timedelta) -> int:
        """Return how many periods can overlap with a time that is this long."""
        return math.ceil(time / (_SHORTEST[self] * _ONE_DAY)) + 1


_SHORTEST = {Length.MONTH: 28, Length.WEEK: 7, Length.DAY: 1}
