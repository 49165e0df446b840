"""What Django's default cache holds of Zephr: answers with their time, and locks of calls under way.

Every process that shares the cache shares them.
"""

import dataclasses
import hashlib
import json
import logging
import math
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.core.cache import cache

T = TypeVar("T")

logger = logging.getLogger("jay_sessions.zephr")


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """An answer that was kept: the session as Zephr sent it, None where Zephr knows none.

    `at` is when that was, in seconds since the epoch.
    """

    raw: Mapping[str, Any] | None
    at: float

    def age(self, now: float) -> float:
        """Return the seconds since then; 0 where the clock went back."""
        return max(now - self.at, 0.0)


def key_of(base_url: str, access_key: str, session_id: str) -> str:
    """Return the cache's key for what Zephr says of a session to the holder of this access key."""
    # Hashed: an id may be longer than a key can be and hold what a key cannot, and whoever reads
    # the cache's keys should not learn it.
    parts = json.dumps([base_url, access_key, session_id])
    return f"jay_sessions.zephr.{hashlib.sha256(parts.encode()).hexdigest()}"


class Place:
    """The place of one session in the cache, for one look-up.

    Raises nothing: once the cache has failed, it is left alone, so that one that is down costs a
    look-up one attempt and no more.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._lock_key = f"{key}.lock"
        self._lock_value = ""
        self._down = False

    def read(self) -> Entry | None:
        """Return what is kept; None where that is nothing, or nothing of ours."""
        match self._ask(lambda: cache.get(self._key)):
            case {"raw": None | dict() as raw, "at": float(at)} if math.isfinite(at):
                return Entry(raw, at)
        return None

    def write(self, entry: Entry, seconds: int) -> bool:
        """Keep an answer for whole seconds, 0 to forget the one before; say whether that was done."""
        if not seconds:
            self._ask(lambda: cache.delete(self._key))
            return False
        self._ask(lambda: cache.set(self._key, {"raw": entry.raw, "at": entry.at}, seconds))
        return not self._down

    def lock(self, seconds: int) -> bool:
        """Lock the place; False where somebody else has it. Without a cache everybody may go on.

        The lock goes away by itself after whole seconds, in case its holder dies.
        """
        value = str(uuid.uuid4())
        if self._ask(lambda: cache.add(self._lock_key, value, seconds)):
            self._lock_value = value
            return True
        return self._down

    def is_locked(self) -> bool:
        """Say whether somebody has the lock."""
        return self._ask(lambda: cache.get(self._lock_key)) is not None

    def unlock(self) -> None:
        """Give the lock back, if it is held, and if it is still the same one."""
        value, self._lock_value = self._lock_value, ""
        if value and self._ask(lambda: cache.get(self._lock_key)) == value:
            self._ask(lambda: cache.delete(self._lock_key))

    def _ask(self, operation: Callable[[], T]) -> T | None:
        if self._down:
            return None
        try:
            return operation()
        except Exception as error:  # noqa: BLE001 (every backend has its own)
            self._down = True
            # By name only: its words may hold the password of the cache.
            logger.warning("The cache failed, Zephr is asked instead: %s", type(error).__name__)
            return None
