"""A playout's sessions and users of the hour, and of the 24 hours, from each quarter-hour on.

Every zone's hours and days begin on a quarter-hour, so one count serves all zones. Windows are stored by
the site's day on which they begin, whole days at a time, one row per playout.
"""

import base64
import bisect
import collections
import dataclasses
import datetime
import itertools
import operator
import struct
import zlib
from collections.abc import Container, Iterable, Sequence

from django.db import router

from ..core.batches import batched
from ..database.clock import DatabaseNow
from ..models.rollups import PlayoutWindows
from .buckets import Interval
from .site_days import Days

_QUARTER = datetime.timedelta(minutes=15)
_QUARTER_MS = _QUARTER // datetime.timedelta(milliseconds=1)
_HOUR, _DAY = (interval.step // _QUARTER for interval in (Interval.HOUR, Interval.DAY))
_COLUMNS = {Interval.HOUR: (0, 1), Interval.DAY: (2, 3)}
"""The places of sessions and users among the lists that a row holds one after the other."""

_KINDS = 4
_KINDS_BY_WIDTH = ((_HOUR, _COLUMNS[Interval.HOUR]), (_DAY, _COLUMNS[Interval.DAY]))

_NEVER = 1 << 40
_DAY_MS = _DAY * _QUARTER_MS
_MOST_DAYS = 3
"""A session is in windows of its own day, the one before, and one more if that is a short one."""
_LONGEST_DAY = datetime.timedelta(days=2)
_BATCH = 500

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


Visit = tuple[int, bool, int | None, int | None]
"""A session: its start, whether it has a user, and the starts of the user's sessions before and after it.

The starts are in milliseconds since 1970; None if there is no such session.
"""


class Changes:
    """What sessions add to the windows of their playouts. `only` are the days to add to; None means all."""

    def __init__(self, days: Days, only: frozenset[int] | None = None) -> None:
        self._days, self._only = days, only
        self._visits: dict[int, dict[str, list[Visit]]] = collections.defaultdict(_lists)

    def add(self, playout_id: str, day: int, visit: Visit) -> None:
        """Add a session that started on this day."""
        self._visits[day][playout_id].append(visit)

    def store(self, until: datetime.datetime, refused: Container[str]) -> None:
        """Add the sessions to the stored windows, except for those of `refused` playouts.

        All sessions before `until` are counted then. Call it in the run's transaction.
        """
        for day in sorted({day - back for day in self._visits for back in range(_MOST_DAYS)}):
            # Ids carry no time before 1970.
            if self._days.begin(day) < self._days.begin(day + 1) and (
                self._only is None or day in self._only
            ):
                named = (both for both in self._of(day).items() if both[0] not in refused)
                for batch in batched(named, _BATCH):
                    self._store(day, dict(batch), until)
        self._visits.clear()

    def _of(self, day: int) -> dict[str, list[Visit]]:
        """Return the sessions in the windows that begin on this day, by playout."""
        # The last 24-hour window begins shortly before the day's end; after it there may be a short day.
        end = self._days.begin(day + 1) + _DAY_MS - _QUARTER_MS
        found: dict[str, list[Visit]] = collections.defaultdict(list)
        for later in range(day, day + _MOST_DAYS):
            if self._days.begin(later) < end:
                for name, visits in self._visits.get(later, {}).items():
                    found[name] += visits if later == day else (visit for visit in visits if visit[0] < end)
        return {name: visits for name, visits in found.items() if visits}

    def _store(self, day: int, by_playout: dict[str, list[Visit]], until: datetime.datetime) -> None:
        begin = datetime.datetime.fromtimestamp(self._days.begin(day) / 1000, datetime.UTC)
        length = (self._days.begin(day + 1) - self._days.begin(day)) // _QUARTER_MS
        stored = PlayoutWindows.objects.using(_alias()).filter(begin=begin, playout_id__in=list(by_playout))
        rows = {row.playout_id: row for row in stored}
        for name, visits in by_playout.items():
            counts = _counted(visits, self._days.begin(day), length)
            row = rows.get(name)
            if row is None:
                row = rows[name] = PlayoutWindows(playout_id=name, begin=begin)
            else:
                counts = list(map(operator.add, _unpack(row.counts), counts))
            row.until, row.counts = until, _pack(counts)
        PlayoutWindows.objects.using(_alias()).bulk_create(
            rows.values(),
            batch_size=_BATCH,
            update_conflicts=True,
            unique_fields=["playout_id", "begin"],
            update_fields=["until", "counts"],
        )


def _lists() -> dict[str, list[Visit]]:
    return collections.defaultdict(list)


def forget(begin: datetime.datetime, after: datetime.datetime | None = None) -> None:
    """Delete the windows of the days from `begin` on, to before `after`."""
    rows = PlayoutWindows.objects.using(_alias()).filter(begin__gte=begin)
    (rows if after is None else rows.filter(begin__lt=after)).delete()


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


def _counted(visits: Iterable[Visit], begin: int, length: int) -> list[int]:
    """Return the sessions and users of `length` windows: first by the hour, then by 24 hours.

    A user counts at a session only in windows that hold neither the user's session before it nor the one
    after it.
    """
    # How much each number changes from one window to the next.
    changes = [[0] * (length + 1) for _ in range(_KINDS)]
    by_width = [(width, changes[sessions], changes[users]) for width, (sessions, users) in _KINDS_BY_WIDTH]
    for at, has_user, earlier, later in visits:
        last = (at - begin) // _QUARTER_MS
        end = last + 1 if last < length else length
        before = -1 if earlier is None else (earlier - begin) // _QUARTER_MS
        after = _NEVER if later is None else (later - begin) // _QUARTER_MS
        for width, sessions, users in by_width:
            first = last - width + 1 if last >= width else 0
            if first < end:
                sessions[first] += 1
                sessions[end] -= 1
                if has_user:
                    first = before + 1 if before >= first else first
                    stop = after - width + 1 if after - width < last else end
                    stop = stop if stop < end else end
                    if first < stop:
                        users[first] += 1
                        users[stop] -= 1
    return [count for change in changes for count in itertools.accumulate(change[:length])]
