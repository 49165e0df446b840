"""Operations with a deadline, on a subject that hangs, fails and recovers."""

import asyncio
import concurrent.futures
import threading
import time

import pytest

from jay_sessions.core import side_threads
from jay_sessions.core.side_threads import SideThreads, Silent

from ..conftest import until

LIMIT, PAUSE = 0.3, 0.8


class Subject:
    """Answers, or hangs until it is let go."""

    def __init__(self):
        self.go_on = threading.Event()
        self.go_on.set()
        self.asked = []
        self.made = 0

    def make(self):
        self.made += 1
        return self

    def ask(self, value=7):
        self.asked.append(threading.current_thread())
        self.go_on.wait(20)
        return value


@pytest.fixture
def subject():
    subject = Subject()
    yield subject
    subject.go_on.set()


@pytest.fixture
def threads(subject):
    threads = SideThreads(subject.make, limit=LIMIT, pause=PAUSE)
    yield threads
    subject.go_on.set()
    threads.close()


def silent_after(threads):
    """The seconds until an operation was given up."""
    start = time.monotonic()
    with pytest.raises(Silent):
        threads.do(Subject.ask)
    return time.monotonic() - start


def test_an_operation_is_done_by_another_thread_and_its_value_returned(threads, subject):
    assert [threads.do(lambda one, n=n: one.ask(n)) for n in range(5)] == list(range(5))
    assert threading.current_thread() not in subject.asked
    assert subject.made == len(set(subject.asked)) == 1


@pytest.mark.parametrize("error", [ValueError, KeyError, SystemExit])
def test_what_it_raises_is_raised_and_nothing_is_left_alone(threads, error):
    def failing(subject):
        raise error("said")

    with pytest.raises(error, match="said"):
        threads.do(failing)
    assert threads.do(Subject.ask) == 7


def test_a_subject_that_cannot_be_made_is_an_error_each_time():
    def make():
        raise ImportError("no such backend")

    threads = SideThreads(make)
    for _ in range(2):
        with pytest.raises(ImportError):
            threads.do(Subject.ask)
    threads.close()


def test_who_waits_too_long_is_let_go_and_then_nobody_waits_until_one_tries_again(threads, subject):
    subject.go_on.clear()
    assert LIMIT <= silent_after(threads) < LIMIT + 2
    asked = len(subject.asked)
    assert silent_after(threads) < LIMIT
    assert len(subject.asked) == asked
    time.sleep(PAUSE)
    assert silent_after(threads) >= LIMIT
    assert len(subject.asked) == asked + 1
    assert silent_after(threads) < LIMIT


def test_all_who_wait_are_let_go_together(threads, subject):
    subject.go_on.clear()
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        asked = [pool.submit(silent_after, threads) for _ in range(40)]
        concurrent.futures.wait(asked)
    assert all(future.exception() is None for future in asked)
    # Eight at a time, one after the other, they would take five times as long.
    assert time.monotonic() - start < 2 * LIMIT + 1
    assert len(subject.asked) <= side_threads.THREADS


def test_it_recovers_by_itself_and_abandoned_threads_end(threads, subject):
    subject.go_on.clear()
    silent_after(threads)
    [stuck] = subject.asked
    subject.go_on.set()
    until(lambda: not stuck.is_alive())
    time.sleep(PAUSE)
    assert [threads.do(Subject.ask) for _ in range(3)] == [7] * 3
    assert threads._abandoned == 0
    assert threads._threads == 1


def test_no_more_threads_are_abandoned_than_is_said(threads, subject, monkeypatch):
    monkeypatch.setattr(side_threads, "MAX_ABANDONED", 2)
    subject.go_on.clear()
    for _ in range(2):
        silent_after(threads)
        time.sleep(PAUSE)
    assert silent_after(threads) < LIMIT
    assert len(subject.asked) == 2
    subject.go_on.set()
    until(lambda: not threads._abandoned)
    assert threads.do(Subject.ask) == 7


def test_an_error_that_took_long_counts_as_silence(threads):
    def out_of_time(subject):
        time.sleep(LIMIT * 0.7)
        raise ConnectionError

    with pytest.raises((ConnectionError, Silent)):
        threads.do(out_of_time)
    assert silent_after(threads) < LIMIT


def test_an_operation_that_was_given_up_in_the_queue_is_never_done(threads, subject):
    subject.go_on.clear()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda _: silent_after(threads), range(12)))
    subject.go_on.set()
    time.sleep(PAUSE)
    threads.do(Subject.ask)
    until(threads._jobs.empty)
    assert len(subject.asked) <= side_threads.THREADS + 1


def test_a_task_does_not_hold_up_its_loop_nor_take_its_threads(threads, subject):
    async def tasks():
        subject.go_on.clear()
        asked = [asyncio.create_task(threads.ado(Subject.ask)) for _ in range(50)]
        turns = 0
        while not all(task.done() for task in asked):
            await asyncio.sleep(0.01)
            turns += 1
        assert turns > 5
        name = await asyncio.to_thread(lambda: threading.current_thread().name)
        assert not name.startswith("jay_sessions")
        return await asyncio.gather(*asked, return_exceptions=True)

    start = time.monotonic()
    assert {type(result) for result in asyncio.run(tasks())} == {Silent}
    assert time.monotonic() - start < 2 * LIMIT + 2


def test_what_a_task_awaits_is_returned_and_raised(threads):
    async def tasks():
        with pytest.raises(ZeroDivisionError):
            await threads.ado(lambda subject: 1 / 0)
        return await threads.ado(Subject.ask)

    assert asyncio.run(tasks()) == 7


def test_where_a_task_is_cancelled_the_silence_is_noticed_all_the_same(threads, subject):
    async def tasks():
        subject.go_on.clear()
        task = asyncio.create_task(threads.ado(Subject.ask))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(LIMIT)
        return task.cancelled()

    assert asyncio.run(tasks())
    assert silent_after(threads) < LIMIT


def test_a_loop_that_was_closed_meanwhile_does_no_harm(threads, subject):
    async def tasks():
        subject.go_on.clear()
        task = asyncio.create_task(threads.ado(Subject.ask))
        await asyncio.sleep(0.05)
        task.cancel()

    asyncio.run(tasks())
    subject.go_on.set()
    until(lambda: not threads._under_way)
    assert threads.do(Subject.ask) == 7
