"""A playout's sessions and users of the hour, and of the 24 hours, from each quarter-hour on.

Every zone's hours and days begin on a quarter-hour, so one count serves them all. Windows are kept by
the site's day on which they begin, whole days at a time, each playout's in one row.
"""

import base64
import bisect
import dataclasses
import datetime
import itertools
import operator
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db import router

from .buckets import Interval
from .expressions import along_index
from .models import TrackingSession
from .rollup_models import PlayoutWindows
from .uuid7 import first_id, millisecond_of

_QUARTER = datetime.timedelta(minutes=15)
_QUARTER_MS = _QUARTER // datetime.timedelta(milliseconds=1)
_HOUR, _DAY = (interval.step // _QUARTER for interval in (Interval.HOUR, Interval.DAY))
_COLUMNS = {Interval.HOUR: (0, 1), Interval.DAY: (2, 3)}
"""Where, of the lists that a row holds one after the other, sessions and users are."""

_KINDS = 4

_LONGEST_DAY = datetime.timedelta(days=2)
_CHUNK = 2000
_BATCH = 1000

Span = tuple[datetime.datetime, datetime.datetime]


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """What began from a span's beginning to before `until`; users are distinct."""

    until: datetime.datetime
    sessions: int = 0
    users: int = 0


def known(playout_id: str, interval: Interval, spans: Sequence[Span]) -> list[Known]:
    """Return what is kept of each span, a beginning and an end in UTC, in their order.

    It ends before the span does where the span is longer than the interval, or was still running when
    it was counted, and where it begins if nothing is kept.
    """
    rows = PlayoutWindows.objects.filter(
        playout_id=playout_id, begin__gt=spans[0][0] - _LONGEST_DAY, begin__lte=spans[-1][0]
    )
    days = [
        (begin, until, _unpack(counts))
        for begin, until, counts in rows.order_by("begin").values_list("begin", "until", "counts")
    ]
    begins = [begin for begin, _, _ in days]
    found = []
    for begin, end in spans:
        number = bisect.bisect_right(begins, begin) - 1
        window = _window(interval, begin, *days[number]) if number >= 0 else None
        found.append(window if window is not None and window.until <= end else Known(begin))
    return found


def _window(
    interval: Interval,
    begin: datetime.datetime,
    first: datetime.datetime,
    until: datetime.datetime,
    counts: Sequence[int],
) -> Known | None:
    """Return what a day's row says of the window that begins then; None if it does not."""
    reach = min(until, begin + interval.step)
    number, rest = divmod(begin - first, _QUARTER)
    length = len(counts) // _KINDS
    if rest or number >= length or reach <= begin:
        return None
    sessions, users = (counts[kind * length + number] for kind in _COLUMNS[interval])
    return Known(reach, sessions, users)


def exist(begin: datetime.datetime) -> bool:
    """Say whether windows are kept of the day that begins then."""
    return PlayoutWindows.objects.using(_alias()).filter(begin=begin).exists()


@dataclasses.dataclass(frozen=True, slots=True)
class Counted:
    """Windows of the days from `begin` to before `after`, for the place of all that are kept if `anew`."""

    begin: datetime.datetime
    after: datetime.datetime
    anew: bool
    rows: list[PlayoutWindows]

    def keep(self) -> None:
        """Keep them; in a transaction."""
        kept = PlayoutWindows.objects.using(_alias())
        if self.anew:
            # Also those of days of another zone, where the site has changed its own.
            kept.filter(begin__gte=self.begin, begin__lt=self.after).delete()
        kept.bulk_create(
            self.rows,
            batch_size=_BATCH,
            update_conflicts=True,
            unique_fields=["playout_id", "begin"],
            update_fields=["until", "counts"],
        )


def count(
    begin: datetime.datetime, after: datetime.datetime, until: datetime.datetime, *, anew: bool
) -> Counted:
    """Count the windows that begin in a day, from `begin` to before `after`, up to `until`.

    Unless `anew`, what is kept of the day stays as it is, and only what began since is added.
    """
    begin, after = begin.astimezone(datetime.UTC), after.astimezone(datetime.UTC)
    rows = PlayoutWindows.objects.using(_alias()).filter(begin=begin)
    kept = {} if anew else {row.playout_id: row for row in rows}
    made = [
        PlayoutWindows(playout_id=playout_id, begin=begin, until=until, counts=_pack(counts))
        for playout_id, counts in _counted(begin, (after - begin) // _QUARTER, until, kept)
    ]
    return Counted(begin, after, anew, made)


def _pack(counts: list[int]) -> str:
    # For so few bytes, with little memory: to set up more takes longer than to compress. As text, which
    # Django inserts in bulk faster than bytes.
    packer = zlib.compressobj(1, zlib.DEFLATED, 11, 4)
    packed = packer.compress(struct.pack(f"<{len(counts)}I", *counts)) + packer.flush()
    return base64.b64encode(packed).decode()


def _unpack(packed: str) -> tuple[int, ...]:
    unpacked = zlib.decompress(base64.b64decode(packed))
    return struct.unpack(f"<{len(unpacked) // 4}I", unpacked)


def _alias() -> str:
    return router.db_for_write(PlayoutWindows)


def _counted(
    begin: datetime.datetime, length: int, until: datetime.datetime, kept: dict[str, PlayoutWindows]
) -> Iterator[tuple[str, list[int]]]:
    """Give each playout with the counts of so many windows; those that have nothing to add are left out."""
    end = begin + (length - 1) * _QUARTER + Interval.DAY.step
    rows = TrackingSession.objects.primary().started_from(begin).started_before(min(end, until))
    read: Iterable[Any] = (
        rows.order_by(*along_index("playout_id", descending=False))
        .values_list("playout_id", "session_id", "user_id")
        .iterator(_CHUNK)
    )
    first = millisecond_of(first_id(begin))
    for playout_id, sessions in itertools.groupby(read, operator.itemgetter(0)):
        row = kept.get(playout_id)
        if row is None:
            yield playout_id, _swept(sessions, first, length, since=0)
            continue
        before = _unpack(row.counts)
        # A day of another length is one of the zone that was the site's then.
        if row.until < end and len(before) == _KINDS * length:
            since = _swept(sessions, first, length, first_id(row.until).int)
            yield playout_id, list(map(operator.add, before, since))


def _swept(sessions: Iterable[Any], first: int, length: int, since: int) -> list[int]:
    """Return sessions and users by the hour, then by 24 hours, of so many windows.

    Only sessions whose ids are not below `since` count. A user counts with the first session in a window:
    in those windows that hold it, but not the one before it.
    """
    # By quarter-hours: sessions, the users whose first windows those are, and those who left.
    started, hours, days, left = ([0] * (length + _DAY) for _ in range(4))
    last: dict[str, int] = {}
    for _, session_id, user_id in sessions:
        quarter = (millisecond_of(session_id) - first) // _QUARTER_MS
        counts = session_id.int >= since
        if counts:
            started[quarter] += 1
        if user_id is None:
            continue
        unseen = last.get(user_id, -1) + 1
        if unseen <= quarter:
            last[user_id] = quarter
            if counts and unseen < length:
                hours[max(unseen, quarter - _HOUR + 1)] += 1
                days[max(unseen, quarter - _DAY + 1)] += 1
                left[quarter + 1] -= 1
    before = [0, *itertools.accumulate(started)]
    return [
        *map(operator.sub, before[_HOUR : _HOUR + length], before),
        *itertools.accumulate(map(operator.add, hours[:length], left)),
        *map(operator.sub, before[_DAY : _DAY + length], before),
        *itertools.accumulate(map(operator.add, days[:length], left)),
    ]
