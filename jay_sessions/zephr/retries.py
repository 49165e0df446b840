"""Tries of one call: what came of each, whether another may follow, and when."""

import dataclasses
from collections.abc import Callable

from ..exceptions import ZephrError

BASE_SECONDS = 0.1
"""The longest wait after the first try; it doubles with every further one."""

CAP_SECONDS = 1.0
"""The longest wait of all, unless Zephr asks for a longer one."""

USEFUL_SECONDS = 0.1
"""A try that has less time than this is not worth a request."""

_DOUBLINGS = 10  # long past the cap, and short of what a float cannot hold


@dataclasses.dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a call, as an observer is told of it.

    `number` counts from 1. `outcome` is "OK" or the `code` of the exception. `seconds` is how long
    it took. `status` is the HTTP status, None where none came. `skew` is how many seconds our clock
    was ahead of the answer's `Date`, which knows whole seconds only; None where there was none.
    """

    number: int
    outcome: str
    seconds: float
    status: int | None
    skew: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """What a try came to, other than a session.

    `may_pass` says that the next try may succeed, `at_once` that nothing is gained by waiting.
    `retry_after` is the time in seconds that Zephr asks us to wait, at least.
    """

    error: ZephrError
    may_pass: bool = False
    at_once: bool = False
    retry_after: float = 0.0


def wait_after(failure: Failure, number: int, time_left: float, random: Callable[[], float]) -> float | None:
    """Return the seconds to wait after try `number`; None where no other try is worth it.

    `time_left` is what the whole call has left, in seconds; `random` gives numbers from 0 to 1.
    """
    if not failure.may_pass:
        return None
    wait = 0.0 if failure.at_once else _back_off(number, random)
    # On top of what Zephr asks for, or all whom it sent away together would be back together.
    wait += failure.retry_after
    return wait if wait + USEFUL_SECONDS <= time_left else None


def _back_off(number: int, random: Callable[[], float]) -> float:
    # Anything from nothing up ("full jitter"), which spreads those who failed together the most.
    return random() * min(CAP_SECONDS, BASE_SECONDS * 2.0 ** min(number - 1, _DOUBLINGS))
