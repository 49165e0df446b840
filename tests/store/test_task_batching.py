import asyncio
import contextvars

import pytest

from jay_sessions.store.batching import NotDone
from jay_sessions.store.task_batching import TaskBatcher


class Work:
    """Work that can be held up, and remembers what it was given."""

    def __init__(self):
        self.batches = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.running = 0

    async def __call__(self, items):
        self.running += 1
        assert self.running == 1, "Twice at the same time."
        self.batches.append(items)
        await self.may_end.wait()
        self.running -= 1
        if "broken" in items:
            raise ZeroDivisionError
        return [ValueError(item) if item == "bad" else item * 2 for item in items]


async def outcomes_of(batcher, items):
    return await asyncio.gather(*map(batcher.do, items), return_exceptions=True)


async def tasks_of(batcher, items):
    """Start a task for each item; they have joined the queue then, or are being worked on."""
    tasks = [asyncio.create_task(batcher.do(item)) for item in items]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


def in_loop(test):
    async def run():
        work = Work()
        async with asyncio.timeout(30):
            return await test(work)

    return asyncio.run(run())


def test_who_comes_alone_is_served_at_once():
    async def alone(work):
        batcher = TaskBatcher(work, max_batch=8)
        assert [await batcher.do("a"), await batcher.do("b")] == ["aa", "bb"]
        assert work.batches == [["a"], ["b"]]

    in_loop(alone)


def test_whoever_comes_in_the_same_turn_of_the_loop_or_meanwhile_is_served_together():
    async def together(work):
        batcher = TaskBatcher(work, max_batch=3)
        work.may_end.clear()
        first = await tasks_of(batcher, "ab")
        rest = await tasks_of(batcher, ["c", "bad", "d", "e"])
        work.may_end.set()
        assert await asyncio.gather(*first) == ["aa", "bb"]
        c, bad, *others = await asyncio.gather(*rest, return_exceptions=True)
        assert (c, others) == ("cc", ["dd", "ee"])
        assert isinstance(bad, ValueError)
        assert work.batches == [["a", "b"], ["c", "bad", "d"], ["e"]]

    in_loop(together)


def test_none_is_a_result():
    async def nothing(work):
        async def none(items):
            return [None for _ in items]

        assert await TaskBatcher(none, max_batch=8).do("a") is None

    in_loop(nothing)


def test_work_that_breaks_is_heard_of_and_the_next_goes_on():
    async def broken(work):
        batcher = TaskBatcher(work, max_batch=2)
        a, b, c = await outcomes_of(batcher, ["a", "broken", "c"])
        assert [type(a), type(b), c] == [ZeroDivisionError, ZeroDivisionError, "cc"]

    in_loop(broken)


def test_who_waits_for_work_that_is_broken_off_hears_of_it():
    async def broken_off(work):
        batcher = TaskBatcher(work, max_batch=1)
        work.may_end.clear()
        first, second = await tasks_of(batcher, "ab")
        batcher._worker.cancel()
        with pytest.raises(NotDone):
            await first
        work.may_end.set()
        work.running = 0
        assert await batcher.do("c") == "cc"
        assert await second == "bb"

    in_loop(broken_off)


def test_nobody_waits_for_ever_and_a_full_queue_takes_nobody():
    async def impatient(work):
        batcher = TaskBatcher(work, max_batch=1, max_queue=1, timeout=0.05)
        work.may_end.clear()
        waiting = await tasks_of(batcher, "a") + await tasks_of(batcher, "b")
        with pytest.raises(NotDone, match="Too many"):
            await batcher.do("c")
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(one) for one in found] == [NotDone, NotDone]
        work.may_end.set()
        assert await batcher.do("d") == "dd"
        # Who went while in the queue is not served any more.
        assert work.batches == [["a"], ["d"]]

    in_loop(impatient)


def test_a_task_that_is_cancelled_harms_nobody_and_is_not_served_any_more():
    async def cancelled(work):
        batcher = TaskBatcher(work, max_batch=1)
        work.may_end.clear()
        a, b, c = await tasks_of(batcher, "abc")
        a.cancel()
        b.cancel()
        work.may_end.set()
        a, b, c = await asyncio.gather(a, b, c, return_exceptions=True)
        assert [type(a), type(b), c] == [asyncio.CancelledError, asyncio.CancelledError, "cc"]
        assert work.batches == [["a"], ["c"]]

    in_loop(cancelled)


def test_many_tasks_each_get_what_is_theirs():
    async def many(work):
        batcher = TaskBatcher(work, max_batch=16)

        async def client(name):
            return [await batcher.do(f"{name}-{step} ") for step in range(100)]

        found = await asyncio.gather(*map(client, range(40)))
        assert found == [[f"{name}-{step} " * 2 for step in range(100)] for name in range(40)]
        assert max(map(len, work.batches)) == 16

    in_loop(many)


def test_the_work_has_no_part_in_the_context_of_whoever_comes_first():
    whose = contextvars.ContextVar("whose", default="nobody's")

    async def contexts(work):
        async def tell(items):
            return [whose.get() for _ in items]

        whose.set("the first one's")
        assert await TaskBatcher(tell, max_batch=8).do("a") == "nobody's"

    in_loop(contexts)
