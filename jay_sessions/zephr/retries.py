"""The tries of one call: the result of each, whether another may follow, and when."""

import dataclasses
from collections.abc import Callable

from ..exceptions import ZephrError

BASE_SECONDS = 0.1
"""The longest wait after the first try, in seconds; it doubles with every further try."""

CAP_SECONDS = 1.0
"""The longest wait of all in seconds, unless Zephr asks for a longer one."""

USEFUL_SECONDS = 0.1
"""A try with fewer seconds left than this is not worth a request."""

_DOUBLINGS = 10  # long past the cap, and short of what a float cannot hold


@dataclasses.dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a call, as the observer gets it.

    `number` counts from 1. `outcome` is "OK" or the `code` of the exception. `seconds` is its
    duration. `status` is the HTTP status, None if no answer came. `skew` is how many seconds our clock
    was ahead of the answer's `Date`, which has whole seconds only; None without that header.
    `reason` says what went wrong, as a sentence without secrets; "" if nothing did.
    """

    number: int
    outcome: str
    seconds: float
    status: int | None
    skew: float | None = None
    reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """The result of a try that brought no session.

    `may_pass`: the next try may succeed. `at_once`: waiting before it brings nothing.
    `retry_after` is the shortest wait in seconds that Zephr asks for.
    """

    error: ZephrError
    may_pass: bool = False
    at_once: bool = False
    retry_after: float = 0.0


def wait_after(failure: Failure, number: int, time_left: float, random: Callable[[], float]) -> float | None:
    """Return the seconds to wait after try `number`; None if another try is not worth it.

    `time_left` is the rest of the whole call's time, in seconds; `random` gives numbers from 0 to 1.
    """
    if not failure.may_pass:
        return None
    wait = 0.0 if failure.at_once else _back_off(number, random)
    # Added to the time that Zephr asks for: else all refused clients would come back together.
    wait += failure.retry_after
    return wait if wait + USEFUL_SECONDS <= time_left else None


def _back_off(number: int, random: Callable[[], float]) -> float:
    # From 0 up ("full jitter"): this spreads clients that failed together the most.
    return random() * min(CAP_SECONDS, BASE_SECONDS * 2.0 ** min(number - 1, _DOUBLINGS))
