"""How many requests are served: by key, and by address where there is no valid key."""

import time
from typing import ClassVar, cast

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from .. import conf, throttles
from ..addresses import client_network
from ..models import ApiKey


class RateThrottle(BaseThrottle):
    """Counts `identity(request)` at the rate that `THROTTLE_RATES` names; without one, nothing."""

    scope: ClassVar[str]
    _wait: int | None = None

    def identity(self, request: Request) -> str:
        """Return what is counted together."""
        raise NotImplementedError

    def allow_request(self, request: Request, view: APIView) -> bool:
        rate = conf.get().throttle_rates.get(self.scope)
        if rate is not None:
            self._wait = throttles.hit(f"{self.scope} {self.identity(request)}", rate, time.time())
        return self._wait is None

    def wait(self) -> int | None:
        """Return the seconds until the next request may pass."""
        return self._wait


class ApiKeyThrottle(RateThrottle):
    scope = "key"

    def identity(self, request: Request) -> str:
        return str(cast(ApiKey, request.auth).pk)


class AddressThrottle(RateThrottle):
    scope = "anonymous"

    def identity(self, request: Request) -> str:
        meta = request.META
        forwarded = meta.get("HTTP_X_FORWARDED_FOR", "")
        return client_network(meta.get("REMOTE_ADDR", ""), forwarded, conf.get().num_proxies)
