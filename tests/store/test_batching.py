import threading

import pytest

from jay_sessions.store.batching import Batcher, NotDone

from ..conftest import until


class Work:
    """Work that can be held up, and remembers what it was given."""

    def __init__(self):
        self.batches = []
        self.began, self.may_end = threading.Semaphore(0), threading.Semaphore(0)
        self.is_held = False
        self.running = 0

    def __call__(self, items):
        self.running += 1
        assert self.running == 1, "Twice at the same time."
        self.batches.append(items)
        self.began.release()
        if self.is_held:
            assert self.may_end.acquire(timeout=30)
        self.running -= 1
        return [ValueError(item) if item == "bad" else item * 2 for item in items]


@pytest.fixture
def work():
    return Work()


def in_threads(batcher, items):
    """Do each item in a thread; give a list that fills with (item, result or exception), and the threads."""
    outcomes = []

    def do(item):
        try:
            outcomes.append((item, batcher.do(item)))
        except Exception as error:  # noqa: BLE001
            outcomes.append((item, error))

    threads = [threading.Thread(target=do, args=(item,)) for item in items]
    for thread in threads:
        thread.start()
    return outcomes, threads


def meanwhile(batcher, work, items):
    """Let "a" be worked on, and then the items wait; give the outcomes of both, and all threads."""
    first, threads = in_threads(batcher, ["a"])
    assert work.began.acquire(timeout=30)
    rest, more = in_threads(batcher, items)
    until(lambda: len(batcher._queue) == len(items))
    return first, rest, [*threads, *more]


def finish(threads):
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)


def test_who_comes_alone_is_served_at_once(work):
    batcher = Batcher(work, max_batch=8)
    assert [batcher.do("a"), batcher.do("b")] == ["aa", "bb"]
    assert work.batches == [["a"], ["b"]]


def test_none_is_a_result():
    assert Batcher(lambda items: [None] * len(items), max_batch=8).do("a") is None


def test_whoever_comes_meanwhile_is_served_together(work):
    batcher, work.is_held = Batcher(work, max_batch=8), True
    first, rest, threads = meanwhile(batcher, work, ["b", "c", "d"])
    assert first == rest == []
    work.may_end.release(2)
    finish(threads)
    assert first == [("a", "aa")]
    assert sorted(rest) == [("b", "bb"), ("c", "cc"), ("d", "dd")]
    assert [sorted(batch) for batch in work.batches] == [["a"], ["b", "c", "d"]]


def test_no_more_than_so_many_at_once(work):
    batcher, work.is_held = Batcher(work, max_batch=2), True
    _, rest, threads = meanwhile(batcher, work, list("bcdef"))
    work.may_end.release(4)
    finish(threads)
    assert [len(batch) for batch in work.batches] == [1, 2, 2, 1]
    assert sorted(rest) == [(item, item * 2) for item in "bcdef"]


def test_what_fails_for_one_fails_for_nobody_else(work):
    batcher, work.is_held = Batcher(work, max_batch=8), True
    _, rest, threads = meanwhile(batcher, work, ["b", "bad", "c"])
    work.may_end.release(2)
    finish(threads)
    found = dict(rest)
    assert isinstance(found.pop("bad"), ValueError)
    assert found == {"b": "bb", "c": "cc"}


def test_work_that_breaks_is_heard_of_and_the_next_goes_on():
    calls = []

    def work(items):
        calls.append(items)
        if len(calls) == 1:
            raise ZeroDivisionError
        return items

    batcher = Batcher(work, max_batch=8)
    with pytest.raises(ZeroDivisionError):
        batcher.do("a")
    assert batcher.do("b") == "b"


def test_who_waits_for_work_that_is_broken_off_hears_of_it():
    began, may_end = threading.Event(), threading.Event()

    def work(items):
        if items == ["a"]:
            began.set()
            assert may_end.wait(30)
            return items
        raise KeyboardInterrupt

    batcher = Batcher(work, max_batch=8)
    _, threads = in_threads(batcher, ["a"])
    assert began.wait(30)
    caught = []

    def do(item):
        try:
            batcher.do(item)
        except BaseException as error:  # noqa: BLE001
            caught.append(type(error))

    more = [threading.Thread(target=do, args=(item,)) for item in "bc"]
    for thread in more:
        thread.start()
    until(lambda: len(batcher._queue) == 2)
    may_end.set()
    finish([*threads, *more])
    assert sorted(kind.__name__ for kind in caught) == ["KeyboardInterrupt", "NotDone"]


def test_a_queue_that_is_full_takes_nobody(work):
    batcher, work.is_held = Batcher(work, max_batch=8, max_queue=2), True
    _, rest, threads = meanwhile(batcher, work, ["b", "c"])
    with pytest.raises(NotDone):
        batcher.do("d")
    work.may_end.release(2)
    finish(threads)
    assert sorted(rest) == [("b", "bb"), ("c", "cc")]


def test_nobody_waits_for_ever_and_who_went_is_not_served(work):
    batcher, work.is_held = Batcher(work, max_batch=8, timeout=0.05), True
    _, threads = in_threads(batcher, ["a"])
    assert work.began.acquire(timeout=30)
    with pytest.raises(NotDone):
        batcher.do("b")
    work.may_end.release()
    finish(threads)
    work.is_held = False
    assert batcher.do("c") == "cc"
    assert work.batches == [["a"], ["c"]]


def test_who_loses_patience_while_being_served_goes_and_harms_nobody(work):
    batcher, work.is_held = Batcher(work, max_batch=8, timeout=1), True
    first, rest, threads = meanwhile(batcher, work, ["b", "c"])
    work.may_end.release()
    assert work.began.acquire(timeout=30)
    # One of the two serves both by now; the other waits for it in vain.
    until(lambda: len(rest) == 1)
    work.may_end.release()
    finish(threads)
    assert first == [("a", "aa")]
    assert [type(outcome) for _, outcome in rest] == [NotDone, str]
    work.is_held = False
    assert batcher.do("d") == "dd"


def test_many_threads_each_get_what_is_theirs(work):
    batcher = Batcher(work, max_batch=16)
    wrong = []

    def client(number):
        for step in range(300):
            item = f"{number}-{step} "
            if batcher.do(item) != item * 2:
                wrong.append(item)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    finish(threads)
    assert wrong == []
    assert sorted(item for batch in work.batches for item in batch) == sorted(
        f"{number}-{step} " for number in range(12) for step in range(300)
    )
