"""A few threads that run operations which may never return, while callers wait for a limited time.

After a time-out, no operation is tried for a while; then one operation tries again.
"""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")

LIMIT = 0.5
"""Seconds that a caller waits for an operation."""

PAUSE = 5.0
"""Seconds without a try after an operation took longer than the limit."""

THREADS = 8
"""The most operations that run at the same time; others wait for their turn, within their limit."""

MAX_ABANDONED = 32
"""The most threads that may hang in operations without a caller. Then nothing is tried until one returns."""


class Silent(Exception):
    """The operation timed out; or it was not tried, because an earlier one timed out shortly before."""


class _Job:
    """An operation, its result, and the function that wakes its caller."""

    __slots__ = ("error", "is_settled", "operation", "started", "tell", "value")

    def __init__(self, operation: Callable[[Any], Any], tell: Callable[[], None]) -> None:
        self.operation = operation
        self.tell = tell
        self.started = False
        self.is_settled = False
        self.value: Any = None
        self.error: BaseException | None = None

    def result(self) -> Any:
        error, self.error = self.error, None
        if error is None:
            return self.value
        try:
            raise error
        finally:
            # The exception's frames hold this variable, and it holds them.
            del error


class SideThreads(Generic[S]):
    """Threads that run operations on a subject, such as a cache. Each thread makes its own by `make`.

    They are daemons and start when they are needed. If an operation takes too long, its thread is abandoned:
    another thread takes its place, and it ends when the operation returns. `limit` and `pause`: seconds.
    """

    def __init__(self, make: Callable[[], S], *, limit: float = LIMIT, pause: float = PAUSE) -> None:
        self._make, self._limit, self._pause = make, limit, pause
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._under_way: set[_Job] = set()
        self._threads = 0
        self._abandoned = 0
        self._left_until = 0.0

    def do(self, operation: Callable[[S], T]) -> T:
        """Call `operation` with a subject, and return its result or raise its exception.

        Raises Silent if it takes longer than `limit`, or if the pause after a time-out is not over.
        """
        # A plain lock is the fastest thing that a thread can wait for.
        done = threading.Lock()
        done.acquire()
        job = self._submit(operation, done.release)
        if not done.acquire(timeout=self._limit):
            self._give_up(job)
        value: T = job.result()
        return value

    async def ado(self, operation: Callable[[S], T]) -> T:
        """As `do`, for a task. It blocks neither the event loop nor one of the loop's own threads."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def tell() -> None:
            # The loop may have been closed meanwhile.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_set, done)

        job = self._submit(operation, tell)
        # Not cancelled together with the task: a hanging operation must be noticed all the same.
        timer = loop.call_later(self._limit, self._give_up, job)
        await done
        timer.cancel()
        value: T = job.result()
        return value

    def close(self) -> None:
        """End the threads once they have nothing to do."""
        with self._lock:
            for _ in range(self._threads):
                self._jobs.put(None)

    def _submit(self, operation: Callable[[S], Any], tell: Callable[[], None]) -> _Job:
        job = _Job(operation, tell)
        with self._lock:
            if self._left_until:
                now = time.monotonic()
                if now < self._left_until or self._abandoned >= MAX_ABANDONED:
                    raise Silent("It did not answer, so it is not asked for now.")
                # The pause goes on for all others; this operation is the one that tries.
                self._left_until = now + self._pause
            if len(self._under_way) >= self._threads < THREADS:
                threading.Thread(target=self._work, name="jay_sessions.side", daemon=True).start()
                self._threads += 1
            self._under_way.add(job)
        self._jobs.put(job)
        return job

    def _work(self) -> None:
        subject: S | None = None
        while (job := self._jobs.get()) is not None:
            if not self._begin(job):
                continue
            start = time.monotonic()
            try:
                if subject is None:
                    subject = self._make()
                value, error = job.operation(subject), None
            except BaseException as failure:  # noqa: BLE001 (the caller that waits gets it)
                value, error = None, failure
            is_slow = error is not None and time.monotonic() - start > self._limit / 2
            goes_on = self._end(job, value, error, is_slow=is_slow)
            # Else the thread would hold them, and the frames of the error, until its next operation.
            del job, value, error
            if not goes_on:
                return

    def _begin(self, job: _Job) -> bool:
        with self._lock:
            job.started = job in self._under_way
            return job.started

    def _end(self, job: _Job, value: Any, error: BaseException | None, *, is_slow: bool) -> bool:
        given_up: list[_Job] = []
        with self._lock:
            if job not in self._under_way:
                self._abandoned -= 1
                return False
            self._under_way.discard(job)
            job.value, job.error, job.is_settled = value, error, True
            if is_slow:
                # The subject's own time-out came before ours.
                given_up = self._leave_alone()
            else:
                self._left_until = 0.0
        for settled in (job, *given_up):
            settled.tell()
        return True

    def _give_up(self, job: _Job) -> None:
        with self._lock:
            given_up = [] if job.is_settled else self._leave_alone()
        for abandoned in given_up:
            abandoned.tell()

    def _leave_alone(self) -> list[_Job]:
        # All callers stop waiting now, because they all wait for the same service.
        given_up, self._under_way = list(self._under_way), set()
        for job in given_up:
            job.error, job.is_settled = Silent("It did not answer in time."), True
            if job.started:
                self._threads -= 1
                self._abandoned += 1
        self._left_until = time.monotonic() + self._pause
        return given_up


def _set(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
