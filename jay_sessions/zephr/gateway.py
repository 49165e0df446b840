"""Zephr sessions for the site: from the cache, from a call that is under way, or from Zephr.

What is kept of an answer and for how long, and what is done while Zephr fails, is up to the setting
`ZEPHR`; the guide is docs/zephr.md.
"""

import copy
import dataclasses
import enum
import math
import os
import time

from .. import conf
from ..exceptions import (
    ZephrError,
    ZephrNotConfigured,
    ZephrSessionNotFound,
    ZephrThrottled,
    ZephrTimeout,
    ZephrUnavailable,
)
from ..identifiers import clean_zephr_session_id
from ..signals import zephr_answered
from .entries import Entry, Place, key_of
from .flights import Flights, Landing
from .session import ZephrSession
from .upstream import Upstream

WAITING_SHARE = 0.5
"""How much of its time a look-up spends waiting for another process; the rest is for its own call."""

FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.1
"""Seconds between two looks at the lock of another process."""

_PASSING = (ZephrUnavailable, ZephrTimeout, ZephrThrottled)


class Source(enum.StrEnum):
    """Where an answer is from.

    HIT: the cache. MISS: Zephr, just now. SHARED: a call that was under way for somebody else.
    STALE: the cache, where it is past its time, as Zephr fails.
    """

    HIT = "hit"
    MISS = "miss"
    SHARED = "shared"
    STALE = "stale"


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """A session and how it was come by.

    `age` is for how long we have it, in whole seconds. `ttl` is for how many more it is fresh, not
    above 0 where it is stale, None where it was not kept. `expired` says that there was an answer in
    the cache that was past its time, and `failure`, of a stale answer alone, why it still serves.
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
    flights: Flights[Answer | _Refusal]


_processes: dict[tuple[conf.ZephrSettings, int], _Process] = {}


def get_session(session_id: str) -> ZephrSession:
    """Return the session. Raises what `look_up` raises."""
    return look_up(session_id).session


def look_up(session_id: str) -> Answer:
    """Return the session and where it is from.

    Raises InvalidValue for an id that can be none, ZephrNotConfigured, ZephrCircuitOpen, and what
    `ZephrClient.get_session` raises; that Zephr does not know a session may come from the cache too.
    Waits no longer than `TIMEOUT`, not counting what the cache itself takes to answer.
    """
    session_id = clean_zephr_session_id(session_id)
    zephr = conf.get().zephr
    if zephr is None:
        raise ZephrNotConfigured("The ZEPHR setting is empty.")
    start = time.monotonic()
    result = _LookUp(zephr, session_id).result()
    seconds = time.monotonic() - start
    outcome = result.error.code if isinstance(result, _Refusal) else "OK"
    zephr_answered.send_robust(Answer, outcome=outcome, seconds=seconds, source=result.source)
    if isinstance(result, _Refusal):
        raise result.error
    return result


class _LookUp:
    """One look-up of one thread."""

    def __init__(self, zephr: conf.ZephrSettings, session_id: str) -> None:
        self._zephr = zephr
        self._session_id = session_id
        self._key = key_of(zephr.base_url, zephr.access_key, session_id)
        self._place = Place(self._key)
        self._process = _process(zephr)
        # Seconds of the time-out that went by waiting for others.
        self._waited = 0.0

    def result(self) -> Answer | _Refusal:
        entry = self._read()
        fresh = self._from(entry)
        if fresh is not None:
            return fresh
        result = self._share()
        if isinstance(result, _Refusal) and isinstance(result.error, _PASSING):
            return self._stale(entry, type(result.error)) or result
        return result

    def _share(self) -> Answer | _Refusal:
        start = time.monotonic()

        def fetch() -> Answer | _Refusal:
            self._waited = time.monotonic() - start
            return self._fetch()

        try:
            landing = self._process.flights.share(self._key, fetch, start + self._zephr.timeout)
        except TimeoutError:
            late = ZephrTimeout("Zephr did not answer in time to somebody else who had asked before.")
            return _Refusal(late, Source.SHARED)
        return _own(landing)

    def _fetch(self) -> Answer | _Refusal:
        # Nobody else has a use for an answer that is past its time at once.
        others = bool(self._zephr.cache_timeout)
        # For longer than a call can last.
        if others and not self._place.lock(math.ceil(self._zephr.timeout) + 1):
            self._wait()
            source = Source.SHARED
        else:
            source = Source.HIT
        try:
            # Again, as another call may have ended between the first look and the lock.
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

    def _ask(self, entry: Entry | None) -> Answer | _Refusal:
        zephr = self._zephr
        try:
            session = self._process.upstream.get_session(self._session_id, zephr.timeout - self._waited)
        except ZephrSessionNotFound as error:
            if zephr.not_found_cache_timeout or entry is not None:
                self._place.write(Entry(None, time.time()), zephr.not_found_cache_timeout)
            return _Refusal(error.with_traceback(None), Source.MISS)
        except ZephrError as error:
            # Without its frames, as it may be kept for others.
            return _Refusal(error.with_traceback(None), Source.MISS)
        keep = zephr.cache_timeout + zephr.stale_if_error
        kept = keep > 0 and self._place.write(Entry(session.raw, time.time()), keep)
        ttl = zephr.cache_timeout if kept else None
        return Answer(session, Source.MISS, ttl=ttl, expired=entry is not None)

    def _read(self) -> Entry | None:
        zephr = self._zephr
        keeps = zephr.cache_timeout or zephr.not_found_cache_timeout or zephr.stale_if_error
        return self._place.read() if keeps else None

    def _from(self, entry: Entry | None, source: Source = Source.HIT) -> Answer | _Refusal | None:
        if entry is None:
            return None
        age = entry.age(time.time())
        if entry.raw is None:
            unknown = ZephrSessionNotFound("Zephr does not know this session (cached).")
            return _Refusal(unknown, source) if age < self._zephr.not_found_cache_timeout else None
        if age >= self._zephr.cache_timeout:
            return None
        ttl = self._zephr.cache_timeout - int(age)
        return Answer(ZephrSession.parse(entry.raw), source, int(age), ttl)

    def _stale(self, entry: Entry | None, failure: type[ZephrError]) -> Answer | None:
        if entry is None or entry.raw is None:
            return None
        age = entry.age(time.time())
        if age >= self._zephr.cache_timeout + self._zephr.stale_if_error:
            return None
        ttl = self._zephr.cache_timeout - int(age)
        session = ZephrSession.parse(entry.raw)
        return Answer(session, Source.STALE, int(age), ttl, expired=True, failure=failure)


def _process(zephr: conf.ZephrSettings) -> _Process:
    # By process id, as neither a connection nor a lock must be shared across a fork.
    key = (zephr, os.getpid())
    found = _processes.get(key)
    if found is None:
        # One for all threads, without a lock that a fork could leave locked: `setdefault` is atomic.
        found = _processes.setdefault(key, _Process(Upstream(zephr), Flights()))
        for other in list(_processes):
            # Not closed, for others may be in the middle of a call; its connections close with it.
            if other != key:
                _processes.pop(other, None)
    return found


def _own(landing: Landing[Answer | _Refusal]) -> Answer | _Refusal:
    # A caller may change a session, and an exception collects the frames that it passes: where
    # several threads have the same one, each needs its own.
    result = landing.value
    source = Source.SHARED if landing.joined and result.source is Source.MISS else result.source
    if isinstance(result, _Refusal):
        return _Refusal(_another(result.error), source) if landing.joined else result
    if not landing.shared:
        return result
    session = ZephrSession.parse(copy.deepcopy(result.session.raw))
    return dataclasses.replace(result, session=session, source=source)


def _another(error: ZephrError) -> ZephrError:
    # Not by `copy`, which calls the class with `args`, and these are not all that a class may take.
    new = type(error).__new__(type(error), *error.args)
    vars(new).update(vars(error))
    return new
