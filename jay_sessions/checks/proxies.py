"""System checks of clients' addresses behind proxies and web servers."""

from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Tags, register

from .. import conf
from .settings import parsed

KEEP_NO_NAMES = ("granian", "uwsgidecorators", "pyuwsgi")
"""Modules of web servers. Under WSGI, they do not tell `X_Forwarded_For` from `X-Forwarded-For`.

uWSGI's package installs `uwsgidecorators`; the module `uwsgi` exists only inside the server.
"""


@register(Tags.security, deploy=True)
def check_proxies(**kwargs: Any) -> list[CheckMessage]:
    """Warn if a proxy's address is throttled instead of its clients' addresses."""
    values, _ = parsed()
    behind_one = settings.SECURE_PROXY_SSL_HEADER or settings.USE_X_FORWARDED_HOST
    if not behind_one or values.get("num_proxies") or "anonymous" not in values.get("throttle_rates", {}):
        return []
    return [
        checks.Warning(
            "The site is behind a proxy. All requests without a valid key seem to come from the proxy's "
            "address, so they are throttled together.",
            hint=f"Count the proxies that extend X-Forwarded-For, and write: {conf.NAME} = "
            '{"NUM_PROXIES": 1}',
            id="jay_sessions.W111",
        )
    ]


@register(Tags.security, deploy=True)
def check_underscores(**kwargs: Any) -> list[CheckMessage]:
    """Warn if a client may replace the address from a proxy, with a header that has underscores."""
    values, _ = parsed()
    believed = values.get("num_proxies") and "anonymous" in values.get("throttle_rates", {})
    serves_wsgi = getattr(settings, "WSGI_APPLICATION", None) is not None
    if not (believed and serves_wsgi) or not any(find_spec(name) for name in KEEP_NO_NAMES):
        return []
    return [
        checks.Warning(
            "Under WSGI, Granian and uWSGI read the header X_Forwarded_For as X-Forwarded-For. So a "
            "client can choose the address by which it is throttled.",
            hint="If the proxy drops headers with underscores (nginx does), or if the site uses ASGI or "
            'another server, write: SILENCED_SYSTEM_CHECKS = ["jay_sessions.W116"]',
            id="jay_sessions.W116",
        )
    ]
