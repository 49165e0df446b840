"""A fast path and the plain code for the same, and how both are timed."""

import dataclasses
import statistics
import time
from collections.abc import Callable

ROUNDS = 9
LEAST_SECONDS = 0.02
"""Of one measurement."""

Call = Callable[[], object]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """`post` and `get` say how often a request of the kind runs it: 0.1 where ten requests share it."""

    name: str
    fast: Call
    plain: Call
    says: str
    post: float = 0
    get: float = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """Microseconds of this process's processor a call: medians, the difference taken within each round."""

    fast: float
    plain: float
    saved: float


def measured(pair: Pair) -> Found:
    """Time both by turns."""
    counts = [_count(call) for call in (pair.fast, pair.plain)]
    rounds = [
        [_each(call, count) for call, count in zip((pair.fast, pair.plain), counts, strict=True)]
        for _ in range(ROUNDS)
    ]
    fast, plain = (statistics.median(column) for column in zip(*rounds, strict=True))
    return Found(fast, plain, statistics.median(plain - fast for fast, plain in rounds))


def _each(call: Call, count: int) -> float:
    before = time.process_time()
    for _ in range(count):
        call()
    return (time.process_time() - before) / count * 1e6


def _count(call: Call) -> int:
    """Return how many calls take long enough to be timed; the call is warm then."""
    count = 1
    while _each(call, count) * count < LEAST_SECONDS * 1e6:
        count *= 2
    return count
