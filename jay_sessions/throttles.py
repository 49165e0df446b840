"""Counting requests in fixed windows, by an atomic increment in Django's default cache.

Exact over all processes where the cache is Redis or Memcached; a system check names the others.
"""

import hashlib
import logging
import math
import time

from asgiref.sync import sync_to_async
from django.core.cache import cache

from . import conf
from .rates import Rate

logger = logging.getLogger("jay_sessions")


def hit(who: str, rate: Rate, now: float) -> int | None:
    """Count one request; return None if it is within the rate, else the seconds until the next window.

    `who` names the key or address, `now` is in seconds since the epoch. A cache that is down lets
    the request through, and the log says so.
    """
    window = int(now // rate.period)
    name = hashlib.sha256(f"{who} {rate.limit} {rate.period}".encode()).hexdigest()
    try:
        count = _increment(f"jay_sessions.throttle.{name}.{window}", rate.period)
    except Exception as error:  # noqa: BLE001 (every backend has its own)
        # By name only: its words may hold the password of the cache.
        logger.warning("The cache failed, so requests are not throttled: %s", type(error).__name__)
        return None
    return None if count <= rate.limit else math.ceil((window + 1) * rate.period - now)


def hit_by_key(key_pk: int) -> int | None:
    """Count a request with a key, at the rate that `THROTTLE_RATES` names; the same answer as `hit`'s."""
    rate = conf.get().throttle_rates.get("key")
    return None if rate is None else hit(f"key {key_pk}", rate, time.time())


async def ahit_by_key(key_pk: int) -> int | None:
    """As `hit_by_key`, for a task of an event loop: another thread waits for the cache."""
    if "key" not in conf.get().throttle_rates:
        return None
    return await sync_to_async(hit_by_key, thread_sensitive=False)(key_pk)


def _increment(key: str, period: int) -> int:
    # In this order, so that of two first requests at once each counts the other.
    for _ in range(3):
        try:
            return cache.incr(key)
        except ValueError:
            if cache.add(key, 1, period + 1):
                return 1
    raise RuntimeError("The cache forgets at once what is stored.")
