"""Code that waits, written once for both threads and tasks.

Such code is a generator of steps. Each time it waits, it yields a `Step` and gets the result back:

    is_there = yield Step(ask, aask, session_id)

A thread runs the generator with `run`, a task with `await arun`. A generator of steps runs another one with
`yield from`.
"""

from collections.abc import Awaitable, Callable, Generator
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Step(NamedTuple):
    """One thing to wait for: a thread calls `do(given)`, a task awaits `ado(given)`."""

    do: Callable[[Any], Any]
    ado: Callable[[Any], Awaitable[Any]]
    given: Any


Steps = Generator[Step, Any, T]


def run(steps: Steps[T]) -> T:
    """Run the generator and return its result. It gets a step's exception, and may catch it."""
    try:
        step = next(steps)
        while True:
            try:
                result = step.do(step.given)
            except Exception as error:  # noqa: BLE001 (the generator decides on it)
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        returned: T = end.value
        return returned


async def arun(steps: Steps[T]) -> T:
    """As `run`, for a task."""
    try:
        step = next(steps)
        while True:
            try:
                result = await step.ado(step.given)
            except Exception as error:  # noqa: BLE001 (the generator decides on it)
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        returned: T = end.value
        return returned
