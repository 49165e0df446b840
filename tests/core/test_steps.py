"""Steps do the same in a thread and in a task."""

import asyncio

import pytest

from jay_sessions.core.steps import Step, Steps, arun, run


def by_thread(steps):
    return run(steps)


def by_task(steps):
    return asyncio.run(arun(steps))


@pytest.fixture(params=[by_thread, by_task])
def result_of(request):
    return request.param


def halved(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number // 2


async def ahalved(number: int) -> int:
    await asyncio.sleep(0)
    return halved(number)


def halving(number: int) -> Steps[int]:
    return (yield Step(halved, ahalved, number))


def test_a_generator_without_steps_returns_its_value(result_of):
    def nothing():
        return "value"
        yield

    assert result_of(nothing()) == "value"


def test_each_step_gives_its_result_back(result_of):
    def twice():
        once = yield Step(halved, ahalved, 12)
        return [once, (yield Step(halved, ahalved, once))]

    assert result_of(twice()) == [6, 3]


def test_one_runs_another(result_of):
    def twice():
        return (yield from halving((yield from halving(12))))

    assert result_of(twice()) == 3


def test_what_a_step_raises_passes_through(result_of):
    with pytest.raises(ValueError, match="3 is odd"):
        result_of(halving(3))


def test_what_a_step_raises_can_be_caught_and_further_steps_follow(result_of):
    def tried():
        try:
            yield from halving(3)
        except ValueError as error:
            return str(error), (yield from halving(4))

    assert result_of(tried()) == ("3 is odd", 2)


def test_what_the_generator_itself_raises_passes_through(result_of):
    def broken():
        yield Step(halved, ahalved, 2)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        result_of(broken())


def test_a_task_that_is_cancelled_ends_its_steps():
    ended = []

    async def never(given):
        await asyncio.Event().wait()

    def waiting():
        try:
            yield Step(halved, never, None)
        finally:
            ended.append(True)

    async def cancelled():
        task = asyncio.create_task(arun(waiting()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert ended == [True]
