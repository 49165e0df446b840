"""A circuit breaker: after many failures in a row it stops the calls for a while. Threads may share it."""

import contextlib
import dataclasses
import enum
import threading
import time
from collections.abc import Callable, Iterator

TIMEOUT = 0.25
"""Seconds that a call waits for a second opinion that is under way."""


class State(enum.StrEnum):
    """Closed lets all calls through, open lets none, half-open lets one."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class CircuitOpen(Exception):
    """The call was not made. `seconds` is how long the circuit stays open; 0 while a probe is under way."""

    def __init__(self, seconds: float) -> None:
        super().__init__("The circuit is open.")
        self.seconds = seconds


@dataclasses.dataclass(slots=True)
class Call:
    """A call that was let through; its caller reports the outcome.

    `decides`: a failure of this call may open the circuit. It may not if a second opinion is to come.
    """

    period: int
    decides: bool = True
    outcome: bool | None = None

    def succeeded(self) -> None:
        """Report that the other side is there, whatever it answered."""
        self.outcome = True

    def failed(self) -> None:
        """Report that the other side is not there."""
        self.outcome = False


class Breaker:
    """Opens for `seconds` after `failures` failed calls in a row; never, if `failures` is 0.

    After that time one call goes through as a probe. Its success closes the circuit, its failure
    opens it again. If a probe reports neither, the next call is the probe. The outcome of a call counts
    only if the state has not changed since the call began.

    With `doubt`, no ordinary call opens the circuit, as the session it asked for may be the cause. Instead
    `doubt` is called, once; it must arrange a call with `second_opinion`. Until that call ends, the state
    stays as it is, and other calls wait for it, at most `TIMEOUT` seconds. After a success in the meantime,
    the second opinion does not count.

    `clock` gives seconds that only grow. `changed` is called with each new state, in the thread that
    caused it; `doubt` in the thread of the failed call. That thread holds no lock during either.
    """

    def __init__(
        self,
        failures: int,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        changed: Callable[[State], None] = lambda state: None,
        doubt: Callable[[], None] | None = None,
    ) -> None:
        self._limit = failures
        self._seconds = seconds
        self._clock = clock
        self._changed = changed
        self._doubt = doubt
        self._in_doubt = False
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._state = State.CLOSED
        self._period = 0
        self._failures = 0
        self._open_until = 0.0

    @contextlib.contextmanager
    def call(self) -> Iterator[Call]:
        """Let a call through for the duration of the block. Raises CircuitOpen."""
        call = Call(self._enter(), decides=self._doubt is None)
        try:
            yield call
        finally:
            self._leave(call)

    @contextlib.contextmanager
    def second_opinion(self) -> Iterator[Call]:
        """Let through the call that `doubt` was called for, for the duration of the block."""
        call = Call(self._period)
        try:
            yield call
        finally:
            self._leave(call)

    def _enter(self) -> int:
        with self._lock:
            if self._state is State.CLOSED and self._in_doubt:
                self._settled.wait_for(lambda: not self._in_doubt, TIMEOUT)
            before = self._state
            left = self._open_until - self._clock()
            if before is State.HALF_OPEN or (before is State.OPEN and left > 0):
                raise CircuitOpen(max(left, 0.0))
            if before is State.OPEN:
                self._become(State.HALF_OPEN)
            period = self._period
        if before is State.OPEN:
            self._changed(State.HALF_OPEN)
        return period

    def _leave(self, call: Call) -> None:
        with self._lock:
            is_opinion = call.decides and self._doubt is not None
            if is_opinion:
                self._in_doubt = False
                self._settled.notify_all()
            if call.period != self._period:
                return
            before = self._state
            asks = self._judge(call.outcome, decides=call.decides, counts=not is_opinion)
            after = self._state
        if after is not before:
            self._changed(after)
        if asks and self._doubt is not None:
            self._doubt()

    def _judge(self, outcome: bool | None, *, decides: bool, counts: bool) -> bool:
        # Returns True if a second opinion is needed.
        probing = self._state is State.HALF_OPEN
        if outcome:
            self._failures = 0
            if probing:
                self._become(State.CLOSED)
        elif outcome is None:
            if probing:
                # Open for 0 more seconds: the next call is the probe.
                self._become(State.OPEN)
        else:
            self._failures += counts
            if (probing or 0 < self._limit <= self._failures) and not self._in_doubt:
                if not decides:
                    self._in_doubt = True
                    return True
                self._open_until = self._clock() + self._seconds
                self._become(State.OPEN)
        return False

    def _become(self, state: State) -> None:
        self._state = state
        self._period += 1
