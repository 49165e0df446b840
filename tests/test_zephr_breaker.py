import contextlib
import threading

import pytest

from jay_sessions.zephr.breaker import Breaker, CircuitOpen, State


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def changes():
    return []


@pytest.fixture
def breaker(clock, changes):
    """One that opens after three failures, for ten seconds."""
    return Breaker(3, 10, clock=clock, changed=changes.append)


def fail(breaker, times=1):
    for _ in range(times):
        with breaker.call() as call:
            call.failed()


def succeed(breaker):
    with breaker.call() as call:
        call.succeeded()


def seconds_of_refusal(breaker):
    with pytest.raises(CircuitOpen) as caught, breaker.call():
        pytest.fail("It was let through.")
    return caught.value.seconds


def test_failures_in_a_row_open_it(breaker, clock, changes):
    fail(breaker, 3)
    assert changes == [State.OPEN]
    assert seconds_of_refusal(breaker) == 10
    clock.now += 4
    assert seconds_of_refusal(breaker) == 6


def test_a_success_in_between_starts_the_count_anew(breaker, changes):
    for _ in range(3):
        fail(breaker, 2)
        succeed(breaker)
    assert not changes


def test_a_call_that_comes_to_nothing_counts_for_nothing(breaker, changes):
    fail(breaker, 2)
    with pytest.raises(ZeroDivisionError), breaker.call():
        raise ZeroDivisionError
    assert not changes
    fail(breaker)
    assert changes == [State.OPEN]


def test_after_its_time_one_probe_goes_through_and_the_rest_is_refused(breaker, clock, changes):
    fail(breaker, 3)
    clock.now += 10
    with breaker.call() as probe:
        assert seconds_of_refusal(breaker) == 0
        assert changes == [State.OPEN, State.HALF_OPEN]
        probe.succeeded()
    assert changes == [State.OPEN, State.HALF_OPEN, State.CLOSED]
    fail(breaker, 2)
    succeed(breaker)
    assert len(changes) == 3


def test_a_probe_that_fails_opens_it_for_its_whole_time_anew(breaker, clock, changes):
    fail(breaker, 3)
    clock.now += 10
    fail(breaker)
    assert changes == [State.OPEN, State.HALF_OPEN, State.OPEN]
    assert seconds_of_refusal(breaker) == 10
    clock.now += 10
    succeed(breaker)
    assert changes[-1] is State.CLOSED


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_probe_that_dies_leaves_its_place_to_the_next_call(breaker, clock, changes, error):
    fail(breaker, 3)
    clock.now += 10
    with pytest.raises(error), breaker.call():
        raise error
    assert changes[-1] is State.OPEN
    succeed(breaker)
    assert changes[-1] is State.CLOSED


@pytest.mark.parametrize("outcome", ["failed", "succeeded"])
def test_a_call_from_before_the_last_change_has_no_say(breaker, clock, changes, outcome):
    with contextlib.ExitStack() as late:
        getattr(late.enter_context(breaker.call()), outcome)()
        fail(breaker, 3)
        clock.now += 10
        with breaker.call() as probe:
            late.close()
            assert changes == [State.OPEN, State.HALF_OPEN]
            assert seconds_of_refusal(breaker) == 0
            probe.succeeded()
    assert changes[-1] is State.CLOSED


def test_with_0_failures_it_never_opens(clock, changes):
    fail(Breaker(0, 10, clock=clock, changed=changes.append), 1000)
    assert not changes


def test_of_many_threads_one_is_the_probe(breaker, clock):
    fail(breaker, 3)
    clock.now += 10
    barrier, refused, probes = threading.Barrier(20), [], []

    def call():
        barrier.wait()
        try:
            with breaker.call() as probe:
                while len(refused) < 19:
                    pass
                probes.append(probe)
        except CircuitOpen:
            refused.append(1)

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(probes), len(refused)) == (1, 19)


def test_whoever_is_told_of_a_change_may_call_again(clock):
    seen = []

    def changed(state):
        with contextlib.suppress(CircuitOpen), breaker.call():
            seen.append("let through")
        seen.append(state)

    breaker = Breaker(1, 10, clock=clock, changed=changed)
    fail(breaker)
    assert seen == [State.OPEN]
