"""Zephr's answers in Django's default cache, each with its time, and locks for calls that are under way.

All processes with the same cache share them.
"""

import dataclasses
import hashlib
import json
import logging
import math
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.core.cache.backends.base import BaseCache

from .. import bounded_cache

T = TypeVar("T")

logger = logging.getLogger("jay_sessions.zephr")

MAX_AHEAD = 5.0
"""An answer's time may lie this many seconds in the future, as the clocks of machines differ."""


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A cached answer: the session as Zephr sent it, or None if Zephr does not know it.

    `at` is the time of the answer, in seconds since the epoch.
    """

    raw: Mapping[str, Any] | None = dataclasses.field(repr=False)
    at: float

    def age(self, now: float) -> float:
        """Return the answer's age in seconds; 0 if the clock went back a little."""
        return max(now - self.at, 0.0)

    def is_credible(self, now: float) -> bool:
        """Return whether the answer can be older than `now`; if not, a clock went back."""
        return self.at <= now + MAX_AHEAD


def key_of(base_url: str, access_key: str, session_id: str) -> str:
    """Return the cache key for Zephr's answer about a session to the holder of this access key."""
    # Hashed: an id may be too long for a cache key or hold characters that a key cannot, and people
    # who read the cache's keys must not learn it.
    parts = json.dumps([base_url, access_key, session_id])
    return bounded_cache.name(f"zephr.{hashlib.sha256(parts.encode()).hexdigest()}")


class Place:
    """The place of one session in the cache, for one look-up.

    Raises nothing. After the first failure of the cache, the place no longer uses it. So a cache that is
    down costs a look-up one attempt of at most 0.5 seconds.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._lock_key = f"{key}.lock"
        self._lock_value = ""
        self._down = False

    def read(self) -> Entry | None:
        """Return the cached answer; None if there is none, or if the value is not ours."""
        match self._ask(lambda cache: cache.get(self._key)):
            case {"raw": None | dict() as raw, "at": float(at)} if math.isfinite(at):
                return Entry(raw, at)
        return None

    def write(self, entry: Entry, seconds: int) -> bool:
        """Store an answer for whole seconds; 0 deletes the old one. Return whether that worked."""
        if not seconds:
            self._ask(lambda cache: cache.delete(self._key))
            return False
        self._ask(lambda cache: cache.set(self._key, {"raw": entry.raw, "at": entry.at}, seconds))
        return not self._down

    def lock(self, seconds: int) -> bool:
        """Lock the place. Return False if another look-up has the lock; without a cache, always True.

        The lock expires after whole seconds, in case its holder dies.
        """
        value = str(uuid.uuid4())
        if self._ask(lambda cache: cache.add(self._lock_key, value, seconds)):
            self._lock_value = value
            return True
        return self._down

    def is_locked(self) -> bool:
        """Return whether any look-up has the lock."""
        return self._ask(lambda cache: cache.get(self._lock_key)) is not None

    def unlock(self) -> None:
        """Release the lock if this look-up holds it and it has not expired."""
        value, self._lock_value = self._lock_value, ""

        def give_back(cache: BaseCache) -> None:
            if cache.get(self._lock_key) == value:
                cache.delete(self._lock_key)

        if value:
            self._ask(give_back)

    def _ask(self, operation: Callable[[BaseCache], T]) -> T | None:
        if self._down:
            return None
        try:
            return bounded_cache.ask(operation)
        except Exception as error:  # noqa: BLE001 (every backend has its own)
            self._down = True
            bounded_cache.warn(logger, "The cache failed, Zephr is asked instead: %s", error)
            return None
