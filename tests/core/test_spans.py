import datetime

import pytest

from jay_sessions.core.spans import Length

NOON = datetime.datetime(2026, 12, 31, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


@pytest.mark.parametrize(
    ("length", "moment", "end"),
    [
        ("month", "2026-12-31T12:00Z", "2027-01-01"),
        ("month", "2027-01-01T00:00Z", "2027-02-01"),
        ("month", "2028-02-29T23:59Z", "2028-03-01"),
        # A Thursday, and a Monday.
        ("week", "2026-12-31T12:00Z", "2027-01-04"),
        ("week", "2027-01-04T00:00Z", "2027-01-11"),
        ("day", "2026-12-31T12:00Z", "2027-01-01"),
        ("day", "2027-01-01T00:00Z", "2027-01-02"),
        ("day", "2027-01-01T00:30+01:00", "2027-01-01"),
    ],
)
def test_a_period_ends_at_midnight_in_utc(length, moment, end):
    found = Length(length).end_after(datetime.datetime.fromisoformat(moment))
    assert found == datetime.datetime.fromisoformat(end).replace(tzinfo=datetime.UTC)


def test_the_periods_ahead_follow_each_other():
    ends = Length.MONTH.ends(NOON, 2)
    assert [f"{end:%Y-%m}" for end in ends] == ["2027-01", "2027-02", "2027-03"]
    assert Length.DAY.ends(NOON, 0) == [NOON + DAY / 2]


@pytest.mark.parametrize(("length", "most"), [("day", 91), ("week", 14), ("month", 5)])
def test_the_most_periods_within_ninety_days_count_those_that_are_cut(length, most):
    assert Length(length).most_within(90 * DAY) == most
