import concurrent.futures
import threading
import time

import pytest

from jay_sessions.zephr.flights import Flights, Landing

from ..conftest import until
from ..support.zephr_held import waiting


@pytest.fixture
def flights():
    return Flights()


def soon():
    return time.monotonic() + 10


class Work:
    """Waits until it may go on; then gives its value, or raises it."""

    def __init__(self, *values):
        self.values = list(values)
        self.go_on = threading.Event()
        self.calls = 0

    def __call__(self):
        self.calls += 1
        value = self.values.pop(0)
        assert self.go_on.wait(10)
        if isinstance(value, BaseException):
            raise value
        return value


def test_whoever_is_alone_does_the_work_and_has_the_value_alone(flights):
    assert flights.share("a", lambda: 7, soon()) == Landing(7, joined=False, shared=False)
    assert flights.share("a", lambda: 8, soon()) == Landing(8, joined=False, shared=False)


def test_threads_that_ask_for_the_same_at_once_share_one_piece_of_work(flights):
    work = Work("value")
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(flights.share, "a", work, soon()) for _ in range(20)]
        until(lambda: waiting(flights) == 19)
        work.go_on.set()
        landings = [future.result() for future in asked]
    assert work.calls == 1
    assert sorted(landing.joined for landing in landings) == [False] + [True] * 19
    assert all(landing.value == "value" and landing.shared for landing in landings)


def test_that_the_value_is_none_is_a_value_too(flights):
    work = Work(None)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(flights.share, "a", work, soon()) for _ in range(2)]
        until(lambda: waiting(flights) == 1)
        work.go_on.set()
        assert {future.result().value for future in asked} == {None}
    assert work.calls == 1


def test_other_keys_do_not_wait(flights):
    work = Work("a")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(flights.share, "a", work, soon())
        until(lambda: work.calls)
        assert flights.share("b", lambda: "b", soon()).value == "b"
        work.go_on.set()
        assert first.result().value == "a"


@pytest.mark.parametrize("error", [ZeroDivisionError(), SystemExit()])
def test_where_the_work_dies_those_who_waited_do_it(flights, error):
    work = Work(error, *["value"] * 4)
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(flights.share, "a", work, soon()) for _ in range(5)]
        until(lambda: waiting(flights) == 4)
        work.go_on.set()
        outcomes = [future.exception() or future.result().value for future in asked]
    assert outcomes.count(error) == 1
    assert outcomes.count("value") == 4


def test_nobody_waits_past_the_deadline(flights):
    work = Work("value")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(flights.share, "a", work, soon())
        until(lambda: work.calls)
        for seconds in (0.1, -1):
            with pytest.raises(TimeoutError):
                flights.share("a", work, time.monotonic() + seconds)
        work.go_on.set()
        assert first.result().value == "value"


@pytest.mark.parametrize("value", ["value", ZeroDivisionError()])
def test_nothing_is_left_when_a_flight_has_ended(flights, value):
    work = Work(value)
    work.go_on.set()
    try:
        flights.share("a", work, soon())
    except ZeroDivisionError:
        pass
    assert not flights._flights
