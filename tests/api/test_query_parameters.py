"""Every reader of a parameter, against any text: it gives a value or names a problem, and nothing else."""

import contextlib
import datetime
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jay_sessions.api import query_parameters
from jay_sessions.exceptions import InvalidValue

READERS = {
    "moment": query_parameters.moment(2),
    "modern moment": query_parameters.moment(1973),
    "number": query_parameters.number(1, 1000),
    "choice": query_parameters.one_of({"true": True, "false": False}),
    "zone": query_parameters.zone,
}
ALMOST = st.text(alphabet=string.digits + "-+:.,TWZ \u3000\u0966", max_size=40)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@given(text=st.text(max_size=255) | ALMOST)
def test_any_text_is_a_value_or_refused(reader, text):
    with contextlib.suppress(InvalidValue):
        assert reader(text) is not None


@given(
    st.datetimes(timezones=st.none() | st.timezones()),
    st.timezones() | st.just(datetime.UTC),
)
def test_a_time_that_was_written_is_read_in_every_zone(moment, zone):
    text = moment.isoformat()
    if not 2 <= moment.year <= 9998:
        return
    value = query_parameters.moment(2)(text)
    assert value == moment.replace(tzinfo=value.tzinfo)
    assert query_parameters.in_zone(value, zone).tzinfo is datetime.UTC


@given(st.integers(-10, 2000))
def test_numbers_within_the_bounds_are_taken(number):
    if 1 <= number <= 1000:
        assert query_parameters.number(1, 1000)(str(number)) == number
    else:
        with pytest.raises(InvalidValue):
            query_parameters.number(1, 1000)(str(number))


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "Asia/Kathmandu"])
def test_zones_are_those_of_iana(name):
    assert str(query_parameters.zone(name)) == name
