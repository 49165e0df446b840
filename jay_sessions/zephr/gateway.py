"""Zephr sessions for the site: from the cache, from a call that is under way, or from Zephr.

The setting `ZEPHR` says what is cached and for how long, and what happens while Zephr fails. The guide is
docs/zephr.md.
"""

import asyncio
import concurrent.futures
import contextvars
import copy
import dataclasses
import enum
import functools
import math
import os
import time

from django.db import connections
from django.utils.asyncio import async_unsafe

from .. import conf
from ..core.identifiers import clean_zephr_session_id
from ..exceptions import (
    ZephrBusy,
    ZephrError,
    ZephrNotConfigured,
    ZephrSessionNotFound,
    ZephrThrottled,
    ZephrTimeout,
    ZephrUnavailable,
)
from ..signals import zephr_answered
from .entries import Entry, Place, key_of
from .flights import Flights, Landing
from .places import NoPlace, Places
from .session import ZephrSession
from .upstream import Upstream

WAITING_SHARE = 0.5
"""The share of its time that a look-up may wait for another process; the rest is for its own call."""

FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.1
"""Shortest and longest pause in seconds between two checks of another process's lock."""

THREADS = 64
"""Look-ups of async code that one process does at the same time; further ones wait. Also the limit of
requests under ASGI; further ones are refused."""

RETRY_AFTER = 2
"""Seconds after which a client should try again if too many requests wait for Zephr."""

_PASSING = (ZephrUnavailable, ZephrTimeout, ZephrThrottled)


class Source(enum.StrEnum):
    """Where an answer comes from.

    HIT: the cache. MISS: Zephr, just now. SHARED: a call for another look-up that was under way.
    STALE: the cache, after the answer's time, because Zephr fails.
    """

    HIT = "hit"
    MISS = "miss"
    SHARED = "shared"
    STALE = "stale"


@dataclasses.dataclass(frozen=True, slots=True)
class LookupResult:
    """A session and how it was obtained.

    `age` is the age of the answer in whole seconds. `ttl` is how many more seconds it stays fresh: 0 or
    less if it is stale, None if it was not cached. `expired`: the cache held an answer past its time.
    `failure`: the error that made us serve a stale answer, else None.
    """

    session: ZephrSession
    source: Source
    age: int = 0
    ttl: int | None = None
    expired: bool = False
    failure: type[ZephrError] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class _Refusal:
    error: ZephrError
    source: Source


@dataclasses.dataclass(frozen=True, slots=True)
class _Process:
    upstream: Upstream
    flights: Flights[LookupResult | _Refusal]
    places: Places
    own_places: Places


_processes: dict[tuple[conf.ZephrSettings, int], _Process] = {}


@async_unsafe("This call would block the event loop. Use: await aget_session")
def get_session(session_id: str) -> ZephrSession:
    """Return the session. Raises what `look_up` raises."""
    return look_up(session_id).session


@async_unsafe("This call would block the event loop. Use: await alook_up")
def look_up(session_id: str, *, own_thread: bool = False) -> LookupResult:
    """Return the session and where it comes from.

    `own_thread`: this thread serves one request only, as under ASGI. So 64 threads may wait for Zephr, not
    `MAX_WAITING`. Raises InvalidValue for an invalid id, ZephrNotConfigured, ZephrCircuitOpen, ZephrBusy, and
    what `ZephrClient.get_session` raises. ZephrSessionNotFound may come from the cache too.
    Takes at most `TIMEOUT` seconds, plus the time of the cache itself. In an event loop it raises Django's
    SynchronousOnlyOperation, as the ORM does.
    """
    return _look_up(session_id, time.monotonic(), own_thread=own_thread)


async def aget_session(session_id: str) -> ZephrSession:
    """As `get_session`, for async code."""
    return (await alook_up(session_id)).session


async def alook_up(session_id: str) -> LookupResult:
    """As `look_up`, for async code. It runs in one of 64 threads of its own, not in Django's.

    `TIMEOUT` counts from the call on, also while all threads are busy. A cancelled task stops waiting at
    once; its call to Zephr goes on, and the answer is cached.
    """
    # With the task's context, as Django's own `sync_to_async` does it.
    work = functools.partial(contextvars.copy_context().run, _in_thread, session_id, time.monotonic())
    return await asyncio.get_running_loop().run_in_executor(_threads(os.getpid()), work)


@functools.cache
def _threads(pid: int) -> concurrent.futures.ThreadPoolExecutor:
    # One pool per process id: a fork does not copy threads.
    return concurrent.futures.ThreadPoolExecutor(THREADS, thread_name_prefix="jay_sessions.zephr")


def _in_thread(session_id: str, start: float) -> LookupResult:
    try:
        return _look_up(session_id, start, own_thread=True)
    finally:
        # A cache in the database or a signal's receiver may open them. No end of a request closes them here.
        connections.close_all()


def _look_up(session_id: str, start: float, *, own_thread: bool) -> LookupResult:
    session_id = clean_zephr_session_id(session_id)
    zephr = conf.get().zephr
    if zephr is None:
        raise ZephrNotConfigured("The ZEPHR setting is empty.")
    result = _LookUp(zephr, session_id, start, own_thread=own_thread).result()
    seconds = time.monotonic() - start
    outcome = result.error.code if isinstance(result, _Refusal) else "OK"
    zephr_answered.send_robust(LookupResult, outcome=outcome, seconds=seconds, source=result.source)
    if isinstance(result, _Refusal):
        raise result.error
    return result


class _LookUp:
    """One look-up in one thread."""

    def __init__(self, zephr: conf.ZephrSettings, session_id: str, start: float, *, own_thread: bool) -> None:
        self._zephr = zephr
        self._session_id = session_id
        self._key = key_of(zephr.base_url, zephr.access_key, session_id)
        self._place = Place(self._key)
        self._process = _process(zephr)
        self._places = self._process.own_places if own_thread else self._process.places
        self._start = start
        # Seconds of `TIMEOUT` spent on waiting for other look-ups.
        self._waited = 0.0

    def result(self) -> LookupResult | _Refusal:
        entry = self._read()
        fresh = self._from(entry)
        if fresh is not None:
            return fresh
        try:
            with self._places.hold():
                result = self._share()
        except NoPlace:
            result = _Refusal(ZephrBusy("Too many requests wait for Zephr.", RETRY_AFTER), Source.MISS)
        if isinstance(result, _Refusal) and isinstance(result.error, _PASSING):
            return self._stale(entry, type(result.error)) or result
        return result

    def _share(self) -> LookupResult | _Refusal:
        def fetch() -> LookupResult | _Refusal:
            self._waited = time.monotonic() - self._start
            return self._fetch()

        try:
            deadline = self._start + self._zephr.timeout
            landing = self._process.flights.share(self._key, fetch, deadline)
        except TimeoutError:
            late = ZephrTimeout("Zephr did not answer an earlier request for this session in time.")
            return _Refusal(late, Source.SHARED)
        return _own(landing)

    def _fetch(self) -> LookupResult | _Refusal:
        # Without caching, an answer is of no use to other look-ups.
        others = bool(self._zephr.cache_timeout)
        # The lock lasts longer than a call can.
        if others and not self._place.lock(math.ceil(self._zephr.timeout) + 1):
            self._wait()
            source = Source.SHARED
        else:
            source = Source.HIT
        try:
            # Read again: another call may have ended between the first read and the lock.
            entry = self._read()
            return self._from(entry, source) or self._ask(entry)
        finally:
            self._place.unlock()

    def _wait(self) -> None:
        start, pause = time.monotonic() - self._waited, FIRST_PAUSE
        give_up = start + self._zephr.timeout * WAITING_SHARE
        while time.monotonic() < give_up and self._place.is_locked():
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        self._waited = time.monotonic() - start

    def _ask(self, entry: Entry | None) -> LookupResult | _Refusal:
        zephr = self._zephr
        try:
            session = self._process.upstream.get_session(self._session_id, zephr.timeout - self._waited)
        except ZephrSessionNotFound as error:
            if zephr.not_found_cache_timeout or entry is not None:
                self._place.write(Entry(None, time.time()), zephr.not_found_cache_timeout)
            return _Refusal(error.with_traceback(None), Source.MISS)
        except ZephrError as error:
            # Without its frames, as other look-ups may get it too.
            return _Refusal(error.with_traceback(None), Source.MISS)
        keep = zephr.cache_timeout + zephr.stale_if_error
        kept = keep > 0 and self._place.write(Entry(session.raw, time.time()), keep)
        ttl = zephr.cache_timeout if kept else None
        return LookupResult(session, Source.MISS, ttl=ttl, expired=entry is not None)

    def _read(self) -> Entry | None:
        zephr = self._zephr
        keeps = zephr.cache_timeout or zephr.not_found_cache_timeout or zephr.stale_if_error
        entry = self._place.read() if keeps else None
        return entry if entry and entry.is_credible(time.time()) else None

    def _from(self, entry: Entry | None, source: Source = Source.HIT) -> LookupResult | _Refusal | None:
        if entry is None:
            return None
        age = entry.age(time.time())
        if entry.raw is None:
            unknown = ZephrSessionNotFound("Zephr does not know this session (cached).")
            return _Refusal(unknown, source) if age < self._zephr.not_found_cache_timeout else None
        if age >= self._zephr.cache_timeout:
            return None
        ttl = self._zephr.cache_timeout - int(age)
        return LookupResult(ZephrSession.parse(entry.raw), source, int(age), ttl)

    def _stale(self, entry: Entry | None, failure: type[ZephrError]) -> LookupResult | None:
        if entry is None or entry.raw is None:
            return None
        age = entry.age(time.time())
        if age >= self._zephr.cache_timeout + self._zephr.stale_if_error:
            return None
        ttl = self._zephr.cache_timeout - int(age)
        session = ZephrSession.parse(entry.raw)
        return LookupResult(session, Source.STALE, int(age), ttl, expired=True, failure=failure)


def _process(zephr: conf.ZephrSettings) -> _Process:
    # By process id: a fork must share neither connections nor locks.
    key = (zephr, os.getpid())
    process = _processes.get(key)
    if process is None:
        # One for all threads. `setdefault` is atomic, so no lock is needed that a fork could leave locked.
        made = _Process(Upstream(zephr), Flights(), Places(zephr.max_waiting), Places(THREADS))
        process = _processes.setdefault(key, made)
        for other in list(_processes):
            # Not closed: other threads may be in the middle of a call. Its connections close with it.
            if other != key:
                _processes.pop(other, None)
    return process


def _own(landing: Landing[LookupResult | _Refusal]) -> LookupResult | _Refusal:
    # A caller may change a session, and an exception collects the frames that it passes. So if several
    # threads have the same object, each gets its own copy.
    result = landing.value
    source = Source.SHARED if landing.joined and result.source is Source.MISS else result.source
    if isinstance(result, _Refusal):
        return _Refusal(copy.copy(result.error), source) if landing.joined else result
    if not landing.shared:
        return result
    session = ZephrSession.parse(copy.deepcopy(result.session.raw))
    return dataclasses.replace(result, session=session, source=source)
