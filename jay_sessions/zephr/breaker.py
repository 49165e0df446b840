"""A circuit breaker: what failed many times in a row is left alone for a while. Threads may share one."""

import contextlib
import dataclasses
import enum
import threading
import time
from collections.abc import Callable, Iterator


class State(enum.StrEnum):
    """Closed lets all calls through, open none, half-open one."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class CircuitOpen(Exception):
    """The call was not made; `seconds` is how long the circuit stays open, 0 where a probe is under way."""

    def __init__(self, seconds: float) -> None:
        super().__init__("The circuit is open.")
        self.seconds = seconds


@dataclasses.dataclass(slots=True)
class Call:
    """A call that was let through; whoever makes it says what came of it."""

    period: int
    outcome: bool | None = None

    def succeeded(self) -> None:
        """Whom we call is there, whatever it answered."""
        self.outcome = True

    def failed(self) -> None:
        """Whom we call is not there."""
        self.outcome = False


class Breaker:
    """Opens after `failures` failed calls in a row, for `seconds`; never, if `failures` is 0.

    After that time one call goes through as a probe. Its success closes the circuit, its failure
    opens it anew; a probe that comes to neither leaves its place to the next call. A call that began
    before the last change of state has no say any more.

    `clock` gives seconds that only grow. `changed` is called with each new state, by the thread that
    brought it about, which holds no lock meanwhile.
    """

    def __init__(
        self,
        failures: int,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        changed: Callable[[State], None] = lambda state: None,
    ) -> None:
        self._limit = failures
        self._seconds = seconds
        self._clock = clock
        self._changed = changed
        self._lock = threading.Lock()
        self._state = State.CLOSED
        self._period = 0
        self._failures = 0
        self._open_until = 0.0

    @contextlib.contextmanager
    def call(self) -> Iterator[Call]:
        """Let a call through, for as long as the block lasts. Raises CircuitOpen."""
        call = Call(self._enter())
        try:
            yield call
        finally:
            self._leave(call)

    def _enter(self) -> int:
        with self._lock:
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
            if call.period != self._period:
                return
            before = self._state
            self._judge(call.outcome)
            after = self._state
        if after is not before:
            self._changed(after)

    def _judge(self, outcome: bool | None) -> None:
        probing = self._state is State.HALF_OPEN
        if outcome:
            self._failures = 0
            if probing:
                self._become(State.CLOSED)
        elif outcome is None:
            if probing:
                # Open, but no longer: the next call is the probe.
                self._become(State.OPEN)
        else:
            self._failures += 1
            if probing or 0 < self._limit <= self._failures:
                self._open_until = self._clock() + self._seconds
                self._become(State.OPEN)

    def _become(self, state: State) -> None:
        self._state = state
        self._period += 1
