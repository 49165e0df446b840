import datetime
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jay_sessions.core.uuid7 import LATEST, RANDOM_BITS, millisecond_of, moment_of, uuid7, uuid7_text

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
MICROSECOND = datetime.timedelta(microseconds=1)

moments = st.datetimes(
    datetime.datetime(1970, 1, 1),  # noqa: DTZ001
    LATEST.replace(tzinfo=None),
    timezones=st.just(datetime.UTC),
)
randoms = st.integers(0, 2**RANDOM_BITS - 1)


@given(moments, randoms)
def test_an_id_is_a_uuid_of_version_7(moment, bits):
    value = uuid7(moment, bits)
    assert (value.version, value.variant) == (7, uuid.RFC_4122)
    assert millisecond_of(value) == (moment - EPOCH) // datetime.timedelta(milliseconds=1)
    assert value.int & (2**62 - 1) == bits
    assert uuid7_text(moment, bits) == str(value)


@given(moments, randoms)
def test_the_time_is_read_back_to_the_microsecond(moment, bits):
    assert moment_of(uuid7(moment, bits)) == moment


@pytest.mark.parametrize("start", [EPOCH, datetime.datetime(2025, 9, 2, tzinfo=datetime.UTC)])
def test_every_microsecond_of_a_millisecond_is_read_back(start):
    for us in range(1001):
        assert moment_of(uuid7(start + us * MICROSECOND, 2**62 - 1)) == start + us * MICROSECOND


@given(moments, moments, randoms, randoms)
def test_ids_sort_as_their_times_do(first, second, some, others):
    if first != second:
        assert (uuid7(first, some) < uuid7(second, others)) == (first < second)
        assert (str(uuid7(first, some)) < str(uuid7(second, others))) == (first < second)


@given(moments.filter(lambda moment: moment.year < 9999), randoms)
def test_with_no_random_bits_it_is_the_smallest_id_of_its_microsecond(moment, bits):
    assert uuid7(moment, 0) <= uuid7(moment, bits) < uuid7(moment + MICROSECOND, 0)


def test_the_time_of_an_id_is_in_utc_whatever_the_zone_it_was_given_in():
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=45))
    moment = datetime.datetime(2025, 9, 2, 12, 0, 0, 1, tzinfo=zone)
    read = moment_of(uuid7(moment, 0))
    assert read == moment
    assert read.utcoffset() == datetime.timedelta()


def test_the_example_of_the_rfc_has_its_time():
    # RFC 9562, appendix A.6: 2022-02-22 14:22:22 UTC-05:00; its rand_a is random.
    value = uuid.UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")
    moment = datetime.datetime(2022, 2, 22, 19, 22, 22, tzinfo=datetime.UTC)
    assert uuid7(moment, 0).int >> 80 == value.int >> 80
    assert moment_of(value) - moment < datetime.timedelta(milliseconds=1)


@pytest.mark.parametrize("bits", [0, 4091, 4092, 4095])
def test_the_time_of_an_id_of_another_maker_lies_in_its_millisecond(bits):
    midnight = datetime.datetime(2025, 9, 3, tzinfo=datetime.UTC)
    value = uuid.UUID(int=uuid7(midnight - MICROSECOND, 0).int & ~(0xFFF << 64) | bits << 64)
    assert moment_of(value) < midnight


@pytest.mark.parametrize(
    ("moment", "bits"),
    [
        pytest.param(EPOCH - MICROSECOND, 0, id="before_1970"),
        pytest.param(EPOCH, -1, id="negative_bits"),
        pytest.param(EPOCH, 2**62, id="63_bits"),
    ],
)
def test_what_does_not_fit_is_refused(moment, bits):
    with pytest.raises(ValueError, match=r"1970"):
        uuid7(moment, bits)
