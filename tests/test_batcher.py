import asyncio
import threading

import pytest

from jay_sessions.batcher import Batcher, NotDone

from .conftest import until


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
    batcher = Batcher(work, most=8)
    assert [batcher.do("a"), batcher.do("b")] == ["aa", "bb"]
    assert work.batches == [["a"], ["b"]]


def test_none_is_a_result():
    assert Batcher(lambda items: [None] * len(items), most=8).do("a") is None


def test_whoever_comes_meanwhile_is_served_together(work):
    batcher, work.is_held = Batcher(work, most=8), True
    first, rest, threads = meanwhile(batcher, work, ["b", "c", "d"])
    assert first == rest == []
    work.may_end.release(2)
    finish(threads)
    assert first == [("a", "aa")]
    assert sorted(rest) == [("b", "bb"), ("c", "cc"), ("d", "dd")]
    assert [sorted(batch) for batch in work.batches] == [["a"], ["b", "c", "d"]]


def test_no_more_than_so_many_at_once(work):
    batcher, work.is_held = Batcher(work, most=2), True
    _, rest, threads = meanwhile(batcher, work, list("bcdef"))
    work.may_end.release(4)
    finish(threads)
    assert [len(batch) for batch in work.batches] == [1, 2, 2, 1]
    assert sorted(rest) == [(item, item * 2) for item in "bcdef"]


def test_what_fails_for_one_fails_for_nobody_else(work):
    batcher, work.is_held = Batcher(work, most=8), True
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

    batcher = Batcher(work, most=8)
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

    batcher = Batcher(work, most=8)
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
    batcher, work.is_held = Batcher(work, most=8, queue=2), True
    _, rest, threads = meanwhile(batcher, work, ["b", "c"])
    with pytest.raises(NotDone):
        batcher.do("d")
    work.may_end.release(2)
    finish(threads)
    assert sorted(rest) == [("b", "bb"), ("c", "cc")]


def test_nobody_waits_for_ever_and_who_went_is_not_served(work):
    batcher, work.is_held = Batcher(work, most=8, patience=0.05), True
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
    batcher, work.is_held = Batcher(work, most=8, patience=1), True
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
    batcher = Batcher(work, most=16)
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


async def queued(batcher, count):
    while len(batcher._queue) != count:
        await asyncio.sleep(0.001)


async def begun(work):
    while not work.began.acquire(blocking=False):
        await asyncio.sleep(0.001)


def test_a_task_that_comes_alone_is_served_at_once(work):
    async def alone():
        return [await batcher.ado("a"), await batcher.ado("b")]

    batcher = Batcher(work, most=8)
    assert asyncio.run(alone()) == ["aa", "bb"]
    assert work.batches == [["a"], ["b"]]


def test_tasks_and_threads_that_come_meanwhile_are_served_together(work):
    async def tasks():
        first = asyncio.create_task(batcher.ado("a"))
        await begun(work)
        others = [asyncio.create_task(batcher.ado(item)) for item in ("b", "bad")]
        await queued(batcher, 2)
        outcomes, threads = in_threads(batcher, ["c"])
        await queued(batcher, 3)
        last = asyncio.create_task(batcher.ado("d"))
        await queued(batcher, 4)
        assert not first.done()
        work.may_end.release(3)
        found = await asyncio.gather(first, *others, last, return_exceptions=True)
        await asyncio.to_thread(finish, threads)
        return found, outcomes

    batcher, work.is_held = Batcher(work, most=3), True
    (a, b, bad, d), outcomes = asyncio.run(tasks())
    assert (a, b, d, outcomes) == ("aa", "bb", "dd", [("c", "cc")])
    assert isinstance(bad, ValueError)
    assert work.batches == [["a"], ["b", "bad", "c"], ["d"]]


def test_a_thread_leads_for_the_tasks_behind_it_and_a_task_follows_a_thread(work):
    async def tasks():
        outcomes, threads = in_threads(batcher, ["a"])
        await begun(work)
        b = asyncio.create_task(batcher.ado("b"))
        await queued(batcher, 1)
        more, others = in_threads(batcher, ["c"])
        await queued(batcher, 2)
        d = asyncio.create_task(batcher.ado("d"))
        await queued(batcher, 3)
        work.may_end.release(4)
        found = [await b, await d]
        await asyncio.to_thread(finish, [*threads, *others])
        return found, outcomes + more

    batcher, work.is_held = Batcher(work, most=1), True
    assert asyncio.run(tasks()) == (["bb", "dd"], [("a", "aa"), ("c", "cc")])
    assert work.batches == [["a"], ["b"], ["c"], ["d"]]


def test_no_task_waits_for_ever_and_a_full_queue_takes_none(work):
    async def tasks():
        first = asyncio.create_task(batcher.ado("a"))
        await begun(work)
        second = asyncio.create_task(batcher.ado("b"))
        await queued(batcher, 1)
        with pytest.raises(NotDone, match="Too many"):
            await batcher.ado("c")
        found = await asyncio.gather(first, second, return_exceptions=True)
        work.may_end.release()
        return found

    batcher, work.is_held = Batcher(work, most=8, queue=1, patience=0.1), True
    assert [type(outcome) for outcome in asyncio.run(tasks())] == [NotDone, NotDone]
    # Whoever was in the queue is not served any more, and the next one is.
    work.is_held = False
    assert batcher.do("d") == "dd"
    assert work.batches == [["a"], ["d"]]


def test_a_task_that_is_cancelled_and_a_loop_that_is_closed_harm_nobody(work):
    async def cancelled():
        first = asyncio.create_task(batcher.ado("a"))
        await begun(work)
        first.cancel()
        second = asyncio.create_task(batcher.ado("b"))
        await queued(batcher, 1)
        work.may_end.release(2)
        return await asyncio.gather(first, second, return_exceptions=True)

    async def left_behind():
        asyncio.create_task(batcher.ado("c"))  # noqa: RUF006 (it is cancelled with its loop)
        await begun(work)

    batcher, work.is_held = Batcher(work, most=8), True
    gone, found = asyncio.run(cancelled())
    assert isinstance(gone, asyncio.CancelledError)
    assert found == "bb"
    work.began.acquire()
    asyncio.run(left_behind())
    work.may_end.release()
    work.is_held = False
    assert batcher.do("d") == "dd"


def test_tasks_that_all_gave_up_leave_nothing_to_do(work):
    async def impatient():
        await asyncio.wait_for(batcher.ado("a"), 0.05)

    batcher = Batcher(work, most=8, patience=0.01)
    may_begin = threading.Event()
    batcher._thread.submit(may_begin.wait)
    with pytest.raises(NotDone):
        asyncio.run(impatient())
    may_begin.set()
    until(lambda: not batcher._is_busy)
    assert work.batches == []
    assert batcher.do("b") == "bb"


def test_tasks_of_several_loops_and_threads_each_get_what_is_theirs(work):
    batcher, wrong = Batcher(work, most=16), []

    async def client(name):
        for step in range(100):
            item = f"{name}-{step} "
            if await batcher.ado(item) != item * 2:
                wrong.append(item)

    async def clients(number):
        await asyncio.gather(*(client(f"{number}.{one}") for one in range(8)))

    def of_a_thread(number):
        for step in range(100):
            item = f"t{number}-{step} "
            if batcher.do(item) != item * 2:
                wrong.append(item)

    loops = [threading.Thread(target=asyncio.run, args=(clients(number),)) for number in range(3)]
    threads = [threading.Thread(target=of_a_thread, args=(number,)) for number in range(4)]
    for thread in (*loops, *threads):
        thread.start()
    finish([*loops, *threads])
    assert wrong == []
    assert len({item for batch in work.batches for item in batch}) == 3 * 8 * 100 + 4 * 100
