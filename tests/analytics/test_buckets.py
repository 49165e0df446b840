import datetime
import itertools
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jay_sessions.analytics.buckets import MAX_BUCKETS, Interval, starts
from jay_sessions.exceptions import InvalidValue

UTC = datetime.UTC
HOUR, DAY = Interval.HOUR, Interval.DAY
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",  # had no midnight on the first day of its summers
    "America/Havana",  # shows midnight twice in autumn
    "Asia/Kolkata",  # + 5:30
    "Asia/Kathmandu",  # + 5:45
    "Australia/Lord_Howe",  # moves its clock by half an hour
    "Pacific/Apia",  # left a whole day out
    "Pacific/Chatham",  # + 12:45, with daylight saving
    "Africa/Casablanca",
    "Antarctica/Troll",  # moves its clock by two hours
]

zones = st.sampled_from(ZONES).map(zoneinfo.ZoneInfo)
intervals = st.sampled_from(Interval)
moments = st.datetimes(
    datetime.datetime(1995, 1, 1),  # noqa: DTZ001
    datetime.datetime(2037, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def utc(*parts):
    return datetime.datetime(*parts, tzinfo=UTC)


def shown(start, end, interval, zone):
    """What a client reads: the beginnings of the buckets, as text."""
    return [moment.isoformat() for moment in starts(start, end, interval, zoneinfo.ZoneInfo(zone))]


def test_an_ordinary_range_of_days():
    assert shown(utc(2025, 2, 27), utc(2025, 3, 2), DAY, "UTC") == [
        "2025-02-27T00:00:00+00:00",
        "2025-02-28T00:00:00+00:00",
        "2025-03-01T00:00:00+00:00",
    ]


def test_a_leap_day_is_a_day():
    assert [day[8:10] for day in shown(utc(2024, 2, 28), utc(2024, 3, 2), DAY, "UTC")] == ["28", "29", "01"]


def test_the_end_is_exclusive_and_the_first_bucket_is_whole():
    assert shown(utc(2025, 1, 1, 9, 59), utc(2025, 1, 1, 11), HOUR, "UTC") == [
        "2025-01-01T09:00:00+00:00",
        "2025-01-01T10:00:00+00:00",
    ]
    assert len(shown(utc(2025, 1, 1, 9, 59), utc(2025, 1, 1, 11, 0, 0, 1), HOUR, "UTC")) == 3


@pytest.mark.parametrize(
    ("zone", "first"),
    [("Asia/Kolkata", "2025-01-01T05:00:00+05:30"), ("Asia/Kathmandu", "2025-01-01T05:00:00+05:45")],
)
def test_zones_off_by_a_part_of_an_hour_have_hours_of_their_own(zone, first):
    assert shown(utc(2025, 1, 1), utc(2025, 1, 1, 0, 10), HOUR, zone) == [first]


def test_the_day_that_summer_begins_has_23_hours():
    day = shown(utc(2025, 3, 29, 23), utc(2025, 3, 30, 22), HOUR, "Europe/Berlin")
    assert len(day) == 23
    assert day[1:3] == ["2025-03-30T01:00:00+01:00", "2025-03-30T03:00:00+02:00"]


def test_the_day_that_summer_ends_has_25_hours_of_which_one_is_shown_twice():
    day = shown(utc(2025, 10, 25, 22), utc(2025, 10, 26, 23), HOUR, "Europe/Berlin")
    assert len(day) == 25
    assert day[2:4] == ["2025-10-26T02:00:00+02:00", "2025-10-26T02:00:00+01:00"]


def test_days_begin_at_midnight_on_both_sides_of_a_change():
    assert shown(utc(2025, 10, 24, 22), utc(2025, 10, 27, 23), DAY, "Europe/Berlin") == [
        "2025-10-25T00:00:00+02:00",
        "2025-10-26T00:00:00+02:00",
        "2025-10-27T00:00:00+01:00",
    ]


def test_a_day_without_midnight_begins_where_the_clock_jumps():
    _, second = starts(utc(2018, 11, 3, 12), utc(2018, 11, 4, 12), DAY, zoneinfo.ZoneInfo(ZONES[3]))
    assert second.isoformat() == "2018-11-04T01:00:00-02:00"
    assert second.astimezone(UTC) == utc(2018, 11, 4, 3)


def test_a_midnight_that_is_shown_twice_begins_one_day():
    days = shown(utc(2024, 11, 2, 12), utc(2024, 11, 4, 12), DAY, "America/Havana")
    assert days == ["2024-11-02T00:00:00-04:00", "2024-11-03T00:00:00-04:00", "2024-11-04T00:00:00-05:00"]


def test_a_day_that_never_was_is_left_out():
    days = shown(utc(2011, 12, 29, 12), utc(2012, 1, 1), DAY, "Pacific/Apia")
    assert days == ["2011-12-29T00:00:00-10:00", "2011-12-31T00:00:00+14:00", "2012-01-01T00:00:00+14:00"]


def test_half_an_hour_of_daylight_saving_makes_an_hour_short_and_one_long():
    spring = starts(
        utc(2025, 10, 4, 13), utc(2025, 10, 4, 18), HOUR, zoneinfo.ZoneInfo("Australia/Lord_Howe")
    )
    assert lengths(spring)[:4] == [60, 60, 60, 30]
    assert spring[3].isoformat() == "2025-10-05T02:30:00+11:00"
    autumn = starts(utc(2025, 4, 5, 12), utc(2025, 4, 5, 17), HOUR, zoneinfo.ZoneInfo("Australia/Lord_Howe"))
    assert lengths(autumn)[:4] == [60, 60, 90, 60]


def lengths(moments):
    """Minutes from each to the next."""
    instants = [moment.astimezone(UTC) for moment in moments]
    return [
        (after - before) // datetime.timedelta(minutes=1) for before, after in itertools.pairwise(instants)
    ]


@given(moments, intervals, zones)
def test_every_moment_lies_in_the_bucket_that_it_is_told(moment, interval, zone):
    start = interval.start_of(moment, zone)
    assert start.astimezone(UTC) <= moment < interval.after(start, zone).astimezone(UTC)
    shown_full = (start.minute, start.second, start.microsecond) == (0, 0, 0)
    is_shown = shown_full and (interval is HOUR or start.hour == 0)
    # Else the clock jumps over it.
    before = start.astimezone(UTC) - datetime.timedelta.resolution
    assert is_shown or before.astimezone(zone).utcoffset() < start.utcoffset()


@given(moments, intervals, zones)
def test_a_bucket_begins_with_itself_and_ends_where_the_next_one_begins(moment, interval, zone):
    start = interval.start_of(moment, zone)
    following = interval.after(start, zone)
    assert interval.start_of(start, zone) == start
    last = following.astimezone(UTC) - datetime.timedelta.resolution
    assert interval.start_of(last, zone).isoformat() == start.isoformat()
    assert interval.start_of(following, zone).isoformat() == following.isoformat()


@given(moments, st.integers(1, 3 * 86_400), intervals, zones)
def test_the_buckets_of_a_range_are_those_of_its_moments(start, seconds, interval, zone):
    end = start + datetime.timedelta(seconds=seconds)
    found = starts(start, end, interval, zone)
    minutes = range(0, seconds, 60)
    told = {interval.start_of(start + datetime.timedelta(seconds=at), zone).isoformat() for at in minutes}
    told.add(interval.start_of(end - datetime.timedelta.resolution, zone).isoformat())
    assert {moment.isoformat() for moment in found} == told
    assert len(found) == len(told)


@given(moments, zones)
def test_without_a_beginning_there_are_thirty_days(end, zone):
    start = DAY.default_start(end, zone)
    found = starts(start, end, DAY, zone)
    # One less where a whole day was left out.
    assert len(found) == 30 or (zone.key == "Pacific/Apia" and len(found) == 29)
    assert found[0] == start


@given(moments, zones)
def test_without_a_beginning_there_are_48_hours(end, zone):
    start = HOUR.default_start(end, zone)
    # A change into the middle of an hour, which makes one hour short and one long, may lie among them.
    into_an_hour = zone.key in ("Australia/Lord_Howe", "Pacific/Chatham")
    assert len(starts(start, end, HOUR, zone)) in ({47, 48, 49} if into_an_hour else {48})


@pytest.mark.parametrize("length", [0, -1])
def test_an_empty_range_is_refused(length):
    start = utc(2025, 1, 1)
    with pytest.raises(InvalidValue) as error:
        starts(start, start + datetime.timedelta(microseconds=length), DAY, UTC)
    assert error.value.kind == "range_empty"


@pytest.mark.parametrize("interval", Interval)
def test_so_many_buckets_and_no_more(interval):
    start = utc(1990, 1, 1)
    longest = start + MAX_BUCKETS * interval.step
    assert len(starts(start, longest, interval, UTC)) == MAX_BUCKETS
    with pytest.raises(InvalidValue) as error:
        starts(start, longest + datetime.timedelta.resolution, interval, UTC)
    assert error.value.kind == "range_too_long"


def test_a_range_in_one_zone_is_compared_as_time_and_not_as_the_clock_shows_it():
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    start = datetime.datetime(2025, 10, 26, 2, 45, tzinfo=berlin)
    end = datetime.datetime(2025, 10, 26, 2, 15, fold=1, tzinfo=berlin)
    assert len(starts(start, end, HOUR, berlin)) == 2
