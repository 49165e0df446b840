import contextlib
import threading
import time

import pytest

from jay_sessions.zephr.breaker import TIMEOUT, Breaker, CircuitOpen, State


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


@pytest.fixture
def doubted():
    return []


@pytest.fixture
def doubting(clock, changes, doubted):
    """One that asks for a second opinion before it opens."""
    return Breaker(3, 10, clock=clock, changed=changes.append, doubt=lambda: doubted.append(1))


def opinion(breaker, outcome):
    with breaker.second_opinion() as call:
        call.outcome = outcome


def test_before_it_opens_a_second_opinion_is_asked_for_once(doubting, changes, doubted):
    fail(doubting, 2)
    assert not doubted
    fail(doubting, 2)
    assert (doubted, changes) == ([1], [])
    opinion(doubting, False)
    assert changes == [State.OPEN]
    assert seconds_of_refusal(doubting) == 10


def test_a_good_opinion_begins_the_count_anew(doubting, changes, doubted):
    for asked in range(1, 4):
        fail(doubting, 3)
        assert len(doubted) == asked
        opinion(doubting, True)
    fail(doubting, 2)
    assert (len(doubted), changes) == (3, [])


def test_an_opinion_that_comes_to_nothing_is_asked_for_again(doubting, changes, doubted):
    fail(doubting, 3)
    opinion(doubting, None)
    fail(doubting)
    assert (len(doubted), changes) == (2, [])


def test_a_success_in_between_makes_the_opinion_count_for_nothing(doubting, changes, doubted):
    with doubting.call() as late:
        fail(doubting, 3)
        late.succeeded()
    opinion(doubting, False)
    assert (len(doubted), changes) == (1, [])
    fail(doubting, 2)
    assert len(doubted) == 1
    fail(doubting)
    assert len(doubted) == 2


@pytest.mark.parametrize(
    ("outcome", "state"), [(True, State.CLOSED), (False, State.OPEN), (None, State.OPEN)]
)
def test_a_probe_that_fails_has_a_second_opinion_too_and_until_then_all_are_refused(
    doubting, clock, changes, outcome, state
):
    fail(doubting, 3)
    opinion(doubting, False)
    clock.now += 10
    fail(doubting)
    assert changes == [State.OPEN, State.HALF_OPEN]
    assert seconds_of_refusal(doubting) == 0
    opinion(doubting, outcome)
    assert changes[2:] == [state]


def test_calls_wait_for_an_opinion_but_not_for_long(doubting):
    fail(doubting, 3)
    start = time.monotonic()
    succeed(doubting)
    assert TIMEOUT <= time.monotonic() - start < TIMEOUT + 2
    opinion(doubting, True)
    fail(doubting, 3)
    timer = threading.Timer(0.05, opinion, (doubting, False))
    timer.start()
    assert seconds_of_refusal(doubting) == 10
    timer.join()


def test_whoever_is_told_of_a_change_may_call_again(clock):
    seen = []

    def changed(state):
        with contextlib.suppress(CircuitOpen), breaker.call():
            seen.append("let through")
        seen.append(state)

    breaker = Breaker(1, 10, clock=clock, changed=changed)
    fail(breaker)
    assert seen == [State.OPEN]
