"""Buckets around every move of every zone's clock, against what a walk over its minutes finds."""

import datetime
import functools
import zoneinfo

import pytest

from jay_sessions.analytics.buckets import Interval, start_of_day, starts

UTC = datetime.UTC
HALF_A_MINUTE = datetime.timedelta(seconds=30)
MINUTE, HOUR, DAY = (datetime.timedelta(**{unit: 1}) for unit in ("minutes", "hours", "days"))

# Years in which clocks moved at all hours: at midnight, a minute after it, by 20, 30, 40, 120 minutes, over
# the date line, by the rules of today.
YEARS = [1972, 1981, 1988, 1995, 2007, 2011, 2016, 2018, 2025]


@functools.cache
def moves(year):
    """The moves of all clocks in a year, as (zone, instant), those of zones that are alike only once."""
    found = {}
    for name in sorted(zoneinfo.available_timezones()):
        zone = zoneinfo.ZoneInfo(name)
        for moment in _moves(zone, datetime.datetime(year, 1, 1, tzinfo=UTC)):
            change = (moment - MINUTE).astimezone(zone).utcoffset(), moment.astimezone(zone).utcoffset()
            found.setdefault((moment, change), (zone, moment))
    return list(found.values())


def _moves(zone, first):
    day = first
    while day.year == first.year:
        if day.astimezone(zone).utcoffset() != (day + DAY).astimezone(zone).utcoffset():
            low, high = day, day + DAY
            while high - low > datetime.timedelta(seconds=1):
                middle = low + (high - low) // 2
                middle = middle.replace(microsecond=0)
                same = middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            yield high
        day += DAY


def wall(moment, zone):
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def walked(first, after, interval, zone):
    """The instants between two at which a bucket begins, for somebody who looks at the clock twice a minute.

    An hour begins where the clock shows a full one or jumps forward over it, a day where the clock shows it
    for the first time.
    """
    moment, before = first, wall(first, zone)
    latest = before
    while (moment := moment + HALF_A_MINUTE) < after:
        shown = wall(moment, zone)
        if interval is Interval.HOUR:
            full = shown.replace(minute=0, second=0)
            if shown == full or full > before:
                yield moment
        elif shown.date() > latest.date():
            yield moment
        before, latest = shown, max(latest, shown)


@pytest.mark.parametrize("interval", Interval)
@pytest.mark.parametrize("year", YEARS)
def test_around_every_move_of_a_clock_buckets_begin_where_it_shows_or_jumps_over_their_beginning(
    year, interval
):
    assert moves(year)
    for zone, move in moves(year):
        first, after = move - 150 * MINUTE, move + 150 * MINUTE
        found = starts(first, after, interval, zone)
        begins = [start.astimezone(UTC) for start in found[1:]]
        assert begins == list(walked(first, after, interval, zone)), (zone, move)


@pytest.mark.parametrize("interval", Interval)
@pytest.mark.parametrize("year", YEARS)
def test_around_every_move_of_a_clock_the_text_of_a_beginning_is_what_the_zone_shows_then(year, interval):
    for zone, move in moves(year):
        texts = [start.isoformat() for start in starts(move - 2 * DAY, move + 2 * DAY, interval, zone)]
        read = [datetime.datetime.fromisoformat(text).astimezone(UTC) for text in texts]
        assert [moment.astimezone(zone).isoformat() for moment in read] == texts, (zone, move)
        assert read == sorted(set(read)), (zone, move)


@pytest.mark.parametrize("year", YEARS)
def test_around_every_move_of_a_clock_each_moment_lies_in_one_bucket(year):
    for zone, move in moves(year):
        for interval in Interval:
            for minutes in range(-150, 151, 5):
                moment = move + minutes * MINUTE
                start = interval.start_of(moment, zone)
                assert start <= moment < interval.after(start, zone), (zone, moment)
                assert start == interval.start_of(start, zone)


@pytest.mark.parametrize("year", YEARS)
def test_around_every_move_of_a_clock_the_days_of_a_site_follow_each_other(year):
    for zone, move in moves(year):
        days = [move.astimezone(zone).date() + back * DAY for back in range(-2, 3)]
        begins = [start_of_day(day, zone) for day in days]
        assert [begin.astimezone(UTC) for begin in begins] == sorted(
            begin.astimezone(UTC) for begin in begins
        )
        for day, begin in zip(days, begins, strict=True):
            text = begin.isoformat()
            assert datetime.datetime.fromisoformat(text).astimezone(zone).isoformat() == text
            # A day that was left out has no moment of its own, and begins with the next one.
            assert begin.date() >= day
            last = begin.astimezone(UTC) - datetime.timedelta.resolution
            assert wall(last, zone).date() < day


@pytest.mark.parametrize(
    ("zone", "around", "interval", "expected"),
    [
        ("Australia/Lord_Howe", "2025-10-04T15:30Z", Interval.HOUR, "2025-10-05T02:30:00+11:00"),
        ("America/Asuncion", "2024-10-06T04:00Z", Interval.DAY, "2024-10-06T01:00:00-03:00"),
        ("Africa/Cairo", "2025-04-24T22:00Z", Interval.DAY, "2025-04-25T01:00:00+03:00"),
        ("Asia/Beirut", "2025-03-29T22:00Z", Interval.DAY, "2025-03-30T01:00:00+03:00"),
        ("Pacific/Apia", "2011-12-30T10:00Z", Interval.DAY, "2011-12-31T00:00:00+14:00"),
        ("America/St_Johns", "2008-03-09T03:31Z", Interval.HOUR, "2008-03-09T01:01:00-02:30"),
        ("Africa/Monrovia", "1972-01-07T00:44:30Z", Interval.HOUR, "1972-01-07T00:44:30+00:00"),
    ],
)
def test_where_the_clock_jumps_over_a_beginning_it_is_the_first_instant_after_the_jump(
    zone, around, interval, expected
):
    moment = datetime.datetime.fromisoformat(around)
    found = starts(moment - 3 * HOUR, moment + 3 * HOUR, interval, zoneinfo.ZoneInfo(zone))
    assert expected in [start.isoformat() for start in found]
