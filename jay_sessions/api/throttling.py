"""Limits on the number of requests: by key, and by address for requests without a valid key.

Requests are counted in fixed windows, by an atomic increment in Django's default cache. With Redis or
Memcached the counts are exact over all processes; a system check reports other caches. Instead of Django's
cache in the process's own memory, this module has counts of its own.
"""

import hashlib
import logging
import math
import os
import time
from collections.abc import Callable
from typing import Any, cast

from django.core.cache.backends.base import BaseCache
from django.core.signals import setting_changed
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from .. import bounded_cache, conf
from ..core.addresses import client_network
from ..core.rates import Rate
from ..core.window_counts import WindowCounts
from ..models import ApiKey
from . import handover

logger = logging.getLogger("jay_sessions")

FAILED = "The cache failed, so requests are not throttled: %s"

_counts = WindowCounts()


class WaitingThrottle(BaseThrottle):
    """A throttle that knows how long the client must wait."""

    _wait: int | None = None

    def wait(self) -> int | None:
        """Return the seconds until the next request is allowed."""
        return self._wait


class ApiKeyThrottle(WaitingThrottle):
    """Counts requests with a valid key, by key."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        counted = handover.of(request)
        key = cast(ApiKey, request.auth)
        self._wait = hit_by_key(key.pk) if counted is None else counted.wait
        return self._wait is None


class AddressThrottle(WaitingThrottle):
    """Counts requests without a valid key, by address."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        rate = conf.get().throttle_rates.get("anonymous")
        if rate is not None:
            meta = request.META
            forwarded = meta.get("HTTP_X_FORWARDED_FOR", "")
            address = client_network(meta.get("REMOTE_ADDR", ""), forwarded, conf.get().num_proxies)
            self._wait = hit(f"anonymous {address}", rate, time.time())
        return self._wait is None


def hit(client: str, rate: Rate, now: float) -> int | None:
    """Count one request. Return None if it is within the rate, else the seconds until the next window.

    `client` is "key" or "anonymous", a space, and the key's number or the address; `now` is in seconds since
    the epoch. If the cache is down, the request is allowed and the failure is logged.
    """
    window = int(now // rate.period)
    try:
        if bounded_cache.is_local_memory():
            count = _counts.increment(client.partition(" ")[0], client, rate, window)
        else:
            count = bounded_cache.ask(_increment(client, rate, window))
    except Exception as error:  # noqa: BLE001 (every backend has its own)
        bounded_cache.warn(logger, FAILED, error)
        return None
    return _seconds_to_wait(count, rate, window, now)


def hit_by_key(key_pk: int) -> int | None:
    """Count a request with a key, at the rate in `THROTTLE_RATES`. Returns the same as `hit`."""
    rate = conf.get().throttle_rates.get("key")
    return None if rate is None else hit(f"key {key_pk}", rate, time.time())


async def ahit_by_key(key_pk: int) -> int | None:
    """As `hit_by_key`, for an event loop: the loop goes on while the cache answers."""
    rate, now = conf.get().throttle_rates.get("key"), time.time()
    if rate is None:
        return None
    client, window = f"key {key_pk}", int(now // rate.period)
    try:
        if bounded_cache.is_local_memory():
            return hit(client, rate, now)
        count = await bounded_cache.aask(_increment(client, rate, window))
    except Exception as error:  # noqa: BLE001 (every backend has its own)
        bounded_cache.warn(logger, FAILED, error)
        return None
    return _seconds_to_wait(count, rate, window, now)


def forget() -> None:
    """Forget the counts in this process's own memory."""
    _counts.forget()


def _seconds_to_wait(count: int, rate: Rate, window: int, now: float) -> int | None:
    return None if count <= rate.limit else math.ceil((window + 1) * rate.period - now)


def _increment(client: str, rate: Rate, window: int) -> Callable[[BaseCache], int]:
    digest = hashlib.sha256(f"{client} {rate.limit} {rate.period}".encode()).hexdigest()
    key = bounded_cache.name(f"throttle.{digest}.{window}")

    def increment(cache: BaseCache) -> int:
        # `incr` before `add`: of two first requests at the same time, each counts the other.
        for _ in range(3):
            try:
                return cache.incr(key)
            except ValueError:
                if cache.add(key, 1, rate.period + 1):
                    return 1
        raise RuntimeError("The cache forgets at once what is stored.")

    return increment


def _changed(*, setting: str, **kwargs: Any) -> None:
    if setting in ("CACHES", conf.NAME):
        forget()


os.register_at_fork(after_in_child=forget)
setting_changed.connect(_changed, dispatch_uid="jay_sessions.api.throttling")
