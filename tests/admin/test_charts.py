"""The geometry of charts, as numbers."""

import datetime
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jay_sessions.admin.dashboard import charts
from jay_sessions.admin.dashboard.charts import Plot, Series
from jay_sessions.admin.dashboard.scales import INTERVALS, Unit, ticks

FIRST = datetime.date(2026, 1, 30)


def days(count, first=FIRST):
    found = [first + datetime.timedelta(days=number) for number in range(count)]
    return [(day, day.strftime("%a %-d %b %Y"), f"?day={number}") for number, day in enumerate(found)]


def lines(*values, unit=Unit.COUNT, **others):
    series = [Series("Sessions", values, "jay-a"), *others.get("more", ())]
    return charts.lines(Plot("sessions", "Sessions", unit, days(len(values)), series))


def labels(count, first=FIRST):
    series = [Series("S", [1] * count, "jay-a")]
    chart = charts.lines(Plot("s", "S", Unit.COUNT, days(count, first), series))
    return [(slot.label, slot.is_major) for slot in chart.slots if slot.label]


@pytest.mark.parametrize(
    ("highest", "expected"),
    [
        (0, [0, 1]),
        (1, [0, 1]),
        (3, [0, 1, 2, 3]),
        (5, [0, 1, 2, 3, 4, 5]),
        (6, [0, 2, 4, 6]),
        (97, [0, 20, 40, 60, 80, 100]),
        (110, [0, 50, 100, 150]),
        (1_234_567, [0, 500_000, 1_000_000, 1_500_000]),
    ],
)
def test_a_scale_of_counts_goes_in_steps_of_one_two_and_five(highest, expected):
    assert ticks(highest, Unit.COUNT) == expected


@pytest.mark.parametrize(
    ("highest", "expected"),
    [
        (0, ["0 s", "1 s"]),
        (50, ["0 s", "10 s", "20 s", "30 s", "40 s", "50 s"]),
        (61, ["0 s", "15 s", "30 s", "45 s", "1 min", "1 min 15 s"]),
        (2500, ["0 s", "10 min", "20 min", "30 min", "40 min", "50 min"]),
        (9000, ["0 s", "30 min", "1 h", "1 h 30 min", "2 h", "2 h 30 min"]),
        (200_000, ["0 s", "20 h", "40 h", "60 h"]),
    ],
)
def test_a_scale_of_durations_goes_in_round_minutes_and_hours(highest, expected):
    found = [Unit.SECONDS.text(value) for value in ticks(highest, Unit.SECONDS)]
    assert found == expected


@given(highest=st.floats(0, 1e15), unit=st.sampled_from(Unit))
def test_a_scale_covers_every_value_in_few_steps(highest, unit):
    scale = ticks(highest, unit)
    assert scale[0] == 0
    assert scale[-1] >= highest
    assert 2 <= len(scale) <= INTERVALS + 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.5, "1 min"),
        (750, "12 min 30 s"),
        (3599.9, "1 h"),
        (3600, "1 h"),
        (3900, "1 h 5 min"),
        (7199, "2 h"),
        (3_600_000, "1,000 h"),
    ],
)
def test_a_duration_is_written_in_its_two_largest_units(seconds, text):
    assert Unit.SECONDS.text(seconds) == text


def test_a_number_has_separators_and_nothing_is_a_dash():
    assert Unit.COUNT.text(1234567) == "1,234,567"
    assert Unit.COUNT.text(None) == "-"


def test_a_line_goes_through_the_middle_of_each_day():
    chart = lines(0, 50, 100)
    assert chart.paths == [("jay-a", "M16.667 100.000L50.000 50.000L83.333 0.000")]
    assert [slot.middle for slot in chart.slots] == ["16.667%", "50.000%", "83.333%"]
    assert [point.y for slot in chart.slots for point in slot.points] == ["100.000%", "50.000%", "0.000%"]


def test_a_day_without_a_value_interrupts_the_line():
    chart = lines(10, None, 10, 10, unit=Unit.SECONDS)
    assert re.sub(r"[\d. ]+", "", chart.paths[0][1]) == "MML"
    assert [[point.is_alone for point in slot.points] for slot in chart.slots] == [
        [True],
        [],
        [False],
        [False],
    ]
    assert chart.slots[1].texts == ["-"]


def test_a_single_day_is_a_chart():
    chart = lines(7)
    assert (chart.width, chart.slots[0].x, chart.slots[0].middle) == ("100.000%", "0.000%", "50.000%")
    assert chart.slots[0].points[0].is_alone


def test_days_without_anything_are_a_chart():
    assert lines(None, None).paths == [("jay-a", "")]
    assert lines(0, 0).paths[0][1].endswith("100.000")


def test_a_stack_ends_where_the_sum_is():
    series = [Series("Returning", [30, 0], "jay-a"), Series("New", [10, 20], "jay-b")]
    chart = charts.bars(Plot("users", "Users", Unit.COUNT, days(2), series))
    first, second = ([(bar.css, bar.y, bar.height) for bar in slot.bars] for slot in chart.slots)
    assert [text for _place, text in chart.ticks] == ["0", "10", "20", "30", "40"]
    assert first == [("jay-a", "25.000%", "75.000%"), ("jay-b", "0.000%", "25.000%")]
    assert second == [("jay-b", "50.000%", "50.000%")]


def test_a_day_tells_its_date_and_every_value():
    chart = lines(1234, more=[Series("Users", [None], "jay-b")])
    assert chart.slots[0].summary == "Fri 30 Jan 2026\nSessions: 1,234\nUsers: -"
    assert chart.slots[0].texts == ["1,234", "-"]


def test_days_are_labelled_at_equal_distances_up_to_the_last_one():
    assert labels(3) == [("30 Jan", True), ("31 Jan", False), ("1 Feb", True)]
    assert [label for label, _major in labels(30)] == [
        "1 Feb", "4 Feb", "7 Feb", "10 Feb", "13 Feb", "16 Feb", "19 Feb", "22 Feb", "25 Feb", "28 Feb"
    ]  # fmt: skip


def test_a_long_period_is_labelled_by_months_and_its_years():
    found = labels(400, datetime.date(2025, 11, 15))
    assert [label for label, _major in found][:4] == ["Dec", "2026", "Feb", "Mar"]


@given(count=st.integers(1, 400))
def test_labels_are_few_and_half_of_them_fit_a_phone(count):
    found = labels(count)
    assert 1 <= len(found) <= 14
    assert sum(is_major for _label, is_major in found) <= 7
    assert all(label for label, _is_major in found)


def test_only_a_short_period_shows_a_mark_for_each_day():
    assert lines(*[1] * 31).is_spacious
    assert not lines(*[1] * 32).is_spacious


def test_long_numbers_get_more_room():
    assert not lines(90_000).has_long_ticks
    assert lines(900_000).has_long_ticks
