"""A playout's sessions and users of the hour, and of the 24 hours, from each quarter-hour on.

Every zone's hours and days begin on a quarter-hour, so one count serves all zones. Windows are stored by
the site's day on which they begin, whole days at a time, one row per playout.
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

from ..core.uuid7 import first_id, millisecond_of
from ..database.clock import DatabaseNow
from ..models import TrackingSession
from ..models.expressions import along_index
from ..models.rollups import PlayoutWindows
from .buckets import Interval

_QUARTER = datetime.timedelta(minutes=15)
_QUARTER_MS = _QUARTER // datetime.timedelta(milliseconds=1)
_HOUR, _DAY = (interval.step // _QUARTER for interval in (Interval.HOUR, Interval.DAY))
_COLUMNS = {Interval.HOUR: (0, 1), Interval.DAY: (2, 3)}
"""The places of sessions and users among the lists that a row holds one after the other."""

_KINDS = 4

_LONGEST_DAY = datetime.timedelta(days=2)
_CHUNK = 2000
_BATCH = 1000

Span = tuple[datetime.datetime, datetime.datetime]


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """The numbers from a span's start to before `until`; users are distinct."""

    until: datetime.datetime
    sessions: int = 0
    users: int = 0


def known(playout_id: str, interval: Interval, spans: Sequence[Span]) -> list[Known]:
    """Return the stored numbers of each span (a start and an end in UTC), in their order.

    `until` is before the span's end if the span is longer than the interval, or was still running when it
    was counted. It is the span's start if nothing is stored. Counts up to a time in the future, left by a
    clock that was ahead, are ignored, as they cannot be right.
    """
    rows = PlayoutWindows.objects.filter(
        playout_id=playout_id,
        begin__gt=spans[0][0] - _LONGEST_DAY,
        begin__lte=spans[-1][0],
        until__lte=DatabaseNow(),
    )
    days = [
        (begin, until, _unpack(counts))
        for begin, until, counts in rows.order_by("begin").values_list("begin", "until", "counts")
    ]
    begins = [begin for begin, _, _ in days]
    kept = []
    for begin, end in spans:
        number = bisect.bisect_right(begins, begin) - 1
        window = _window(interval, begin, *days[number]) if number >= 0 else None
        kept.append(window if window is not None and window.until <= end else Known(begin))
    return kept


def _window(
    interval: Interval,
    begin: datetime.datetime,
    first: datetime.datetime,
    until: datetime.datetime,
    counts: Sequence[int],
) -> Known | None:
    """Return the numbers of the window that begins at `begin` from a day's row; None if it has none."""
    reach = min(until, begin + interval.step)
    number, rest = divmod(begin - first, _QUARTER)
    length = len(counts) // _KINDS
    if rest or number >= length or reach <= begin:
        return None
    sessions, users = (counts[kind * length + number] for kind in _COLUMNS[interval])
    return Known(reach, sessions, users)


def exist(begin: datetime.datetime) -> bool:
    """Return whether windows are stored for the day that begins at `begin`."""
    return PlayoutWindows.objects.using(_alias()).filter(begin=begin).exists()


@dataclasses.dataclass(frozen=True, slots=True)
class Counted:
    """Windows of the days from `begin` to before `after`; with `anew` they replace all stored ones."""

    begin: datetime.datetime
    after: datetime.datetime
    anew: bool
    rows: list[PlayoutWindows]

    def keep(self) -> None:
        """Store them; call it in a transaction."""
        kept = PlayoutWindows.objects.using(_alias())
        if self.anew:
            # This also deletes windows by days of another zone, if the site has changed its own.
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

    With `anew`, the day is counted from its start. Else the stored counts stay, and newer sessions are added.
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
    # Little memory is enough for so few bytes; setting up more takes longer than compressing. As text,
    # because Django inserts that in bulk faster than bytes.
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
    """Yield each playout with the counts of `length` windows; playouts without new sessions are left out."""
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
        # A row of another length is for a day in the site's former zone.
        if row.until < end and len(before) == _KINDS * length:
            since = _swept(sessions, first, length, first_id(row.until).int)
            yield playout_id, list(map(operator.add, before, since))


def _swept(sessions: Iterable[Any], first: int, length: int, since: int) -> list[int]:
    """Return the sessions and users of `length` windows: first by the hour, then by 24 hours.

    Only sessions with ids from `since` on count. A user counts at a session only in windows that do not
    already contain the user's previous session.
    """
    # By quarter-hour: sessions, users to add from that window on (hours, days), and users to take off again.
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
