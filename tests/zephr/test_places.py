import concurrent.futures
import threading
import time

import pytest

from jay_sessions.zephr.places import TIMEOUT, NoPlace, Places


def refused_after(places):
    """The seconds after which no place was had."""
    start = time.monotonic()
    with pytest.raises(NoPlace), places.hold():
        pytest.fail("There was a place.")
    return time.monotonic() - start


def test_so_many_are_let_in_and_the_next_waits_a_little(clock):
    places = Places(2, clock=clock)
    with places.hold(), places.hold():
        assert TIMEOUT <= refused_after(places) < TIMEOUT + 2
    with places.hold():
        pass


def test_a_place_that_is_given_back_is_had_at_once():
    places = Places(1)
    inside, leave = threading.Event(), threading.Event()

    def first():
        with places.hold():
            inside.set()
            leave.wait(10)

    def second():
        with places.hold():
            return True

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        pool.submit(first)
        inside.wait(10)
        waits = pool.submit(second)
        time.sleep(0.02)
        leave.set()
        assert waits.result()


def test_nobody_waits_for_those_who_have_been_at_it_for_long(clock):
    places = Places(2, clock=clock)
    with places.hold(), places.hold():
        clock.now += 1.1
        assert refused_after(places) < TIMEOUT


def test_one_who_hangs_is_no_reason_not_to_wait_for_the_other(clock):
    places = Places(2, clock=clock)
    with places.hold():
        clock.now += 60
        with places.hold():
            assert refused_after(places) >= TIMEOUT


def test_that_it_is_slow_is_remembered_until_somebody_was_quick(clock):
    places = Places(1, clock=clock)
    with places.hold():
        clock.now += 8
    with places.hold():
        assert refused_after(places) < TIMEOUT
    with places.hold():
        assert refused_after(places) >= TIMEOUT


def test_a_place_is_given_back_whatever_happens():
    places = Places(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), places.hold():
            raise ZeroDivisionError
