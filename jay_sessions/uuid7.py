"""UUIDs of version 7 (RFC 9562, section 5.7) whose time can be read back to the microsecond.

The 12 bits of `rand_a` hold the fraction of the millisecond (section 6.2, method 3), so ids sort by
time, and a range of times is a range of ids. The standard library has `uuid.uuid7` only from Python
3.14 on, and that one cannot be told which time to carry.
"""

import datetime
import os
import uuid
from array import array

RANDOM_BITS = 62

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


def uuid7(moment: datetime.datetime, random_bits: int) -> uuid.UUID:
    """Return the id for an aware time, 1970 or later, and 62 random bits.

    With `random_bits=0` it is the smallest id of that microsecond. Raises ValueError for an earlier
    time and for more bits than fit.
    """
    return uuid.UUID(int=_number(moment, random_bits))


def uuid7_text(moment: datetime.datetime, random_bits: int) -> str:
    """Return `str(uuid7(moment, random_bits))`, which is costly, in a quarter of the time."""
    text = f"{_number(moment, random_bits):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _number(moment: datetime.datetime, random_bits: int) -> int:
    since = moment - _EPOCH
    ms, us = divmod(since.microseconds, 1000)
    ms += (since.days * 86_400 + since.seconds) * 1000
    if ms < 0 or not 0 <= random_bits < 1 << RANDOM_BITS:
        raise ValueError("A time before 1970, or more than 62 random bits.")
    return ms << 80 | 7 << 76 | ((us << 12) // 1000) << 64 | 2 << 62 | random_bits


class RandomBits:
    """62 random bits at a time from the operating system, which is asked for many at once.

    Each question to it lets another thread in between, which costs a busy server more than the bits do.
    A child of this process never has the bits of its parent.
    """

    def __init__(self) -> None:
        self._left: list[int] = []
        os.register_at_fork(after_in_child=self._left.clear)

    def __call__(self) -> int:
        while True:
            try:
                # Takes one out for this thread alone, without a lock.
                return self._left.pop() >> 2
            except IndexError:
                self._left.extend(array("Q", os.urandom(_AT_ONCE)))


_AT_ONCE = 4096


def moment_of(value: uuid.UUID) -> datetime.datetime:
    """Return the time, in UTC, that `uuid7` wrote into the id."""
    ms, fraction = millisecond_of(value), value.int >> 64 & 0xFFF
    # Rounding up undoes the rounding down above: a step of the fraction is under a microsecond.
    return _EPOCH + (ms * 1000 - (-fraction * 1000 >> 12)) * _MICROSECOND


def millisecond_of(value: uuid.UUID) -> int:
    """Return the milliseconds from 1970 to the time in the id, rounded down."""
    return value.int >> 80


def first_id(moment: datetime.datetime) -> uuid.UUID:
    """Return an id such that exactly the ids of `moment` (an aware time) or later are not below it."""
    return uuid7(max(moment, _EPOCH), 0)
