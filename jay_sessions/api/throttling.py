"""How many requests are served: by key, and by address where there is no valid key."""

import time
from typing import cast

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from .. import conf, throttles
from ..addresses import client_network
from ..models import ApiKey
from . import handover


class WaitingThrottle(BaseThrottle):
    """A throttle that knows for how long the client must wait."""

    _wait: int | None = None

    def wait(self) -> int | None:
        """Return the seconds until the next request may pass."""
        return self._wait


class ApiKeyThrottle(WaitingThrottle):
    """Counts requests with a valid key, by key."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        counted = handover.of(request)
        key = cast(ApiKey, request.auth)
        self._wait = throttles.hit_by_key(key.pk) if counted is None else counted.wait
        return self._wait is None


class AddressThrottle(WaitingThrottle):
    """Counts requests without a valid key, by address."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        rate = conf.get().throttle_rates.get("anonymous")
        if rate is not None:
            meta = request.META
            forwarded = meta.get("HTTP_X_FORWARDED_FOR", "")
            address = client_network(meta.get("REMOTE_ADDR", ""), forwarded, conf.get().num_proxies)
            self._wait = throttles.hit(f"anonymous {address}", rate, time.time())
        return self._wait is None
