"""System checks of the site's cache. Each message has the line to write instead."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.cache import DEFAULT_CACHE_ALIAS
from django.core.checks import CheckMessage, Tags, register

SOCKET_TIMEOUTS = {
    "django.core.cache.backends.redis.RedisCache": "socket_timeout",
    "django_redis.cache.RedisCache": "SOCKET_TIMEOUT",
}
"""By backend: the name in OPTIONS of the time limit for Redis."""


@register(Tags.caches, deploy=True)
def check_cache_timeouts(**kwargs: Any) -> list[CheckMessage]:
    """Warn of a Redis without a socket timeout: if it is silent, requests to it wait forever."""
    cache: Mapping[str, Any] = settings.CACHES.get(DEFAULT_CACHE_ALIAS, {})
    name = SOCKET_TIMEOUTS.get(cache.get("BACKEND", ""))
    if name is None or _is_set(name, cache):
        return []
    # Both backends have both names, one in capital letters and one in small letters.
    connect = "SOCKET_CONNECT_TIMEOUT" if name.isupper() else "socket_connect_timeout"
    return [
        checks.Warning(
            f"The default cache has no {name}. If Redis stops answering, the site's own requests to it "
            "wait forever. Only this app limits its wait.",
            hint=f'Write, in CACHES["default"]: "OPTIONS": {{"{name}": 0.5, "{connect}": 0.5}}',
            id="jay_sessions.W124",
        )
    ]


def _is_set(name: str, cache: Mapping[str, Any]) -> bool:
    locations = cache.get("LOCATION", "")
    urls = [locations] if isinstance(locations, str) else locations
    options = cache.get("OPTIONS") or {}
    pool = options.get("CONNECTION_POOL_KWARGS") or {}
    in_urls = bool(urls) and all("socket_timeout=" in str(url) for url in urls)
    return bool(options.get(name) or pool.get("socket_timeout") or in_urls)
