"""System checks of the site around the app. Each message has the line to write instead.

They are E020 and most of W1xx. `check --deploy` alone runs those about the safety of production.
"""

from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.cache import DEFAULT_CACHE_ALIAS
from django.core.checks import CheckMessage, Tags, register
from django.urls import URLResolver, get_resolver
from django.utils.module_loading import import_string

from .. import conf
from ..core.user_ids import Storage
from ..reporting import SecretsFilter, SecretsReporter
from .settings import parsed

CORS = (
    (
        "CORS_ALLOW_HEADERS",
        {"x-api-key", "x-jay-tracking"},
        "from corsheaders.defaults import default_headers; "
        'CORS_ALLOW_HEADERS = [*default_headers, "x-api-key", "x-jay-tracking", "x-api-version"]',
    ),
    (
        "CORS_EXPOSE_HEADERS",
        {"x-jay-tracking"},
        'CORS_EXPOSE_HEADERS = ["X-JAY-TRACKING", "X-API-Version", "Retry-After"]',
    ),
)
"""Settings of django-cors-headers: the headers that each needs, in lower case, and the line to write."""


@register()
def check_time_zones(**kwargs: Any) -> list[CheckMessage]:
    """Refuse a site that stores local time: a session's start is a point in time."""
    if settings.USE_TZ:
        return []
    message = "Sessions are stored with time zones, but USE_TZ is False."
    return [checks.Error(message, hint="Write: USE_TZ = True", id="jay_sessions.E020")]


@register(Tags.caches)
def check_throttle_cache(**kwargs: Any) -> list[CheckMessage]:
    """Warn if requests are counted in a cache that processes do not share, or that loses counts."""
    values, _ = parsed()
    cache: Mapping[str, Any] = settings.CACHES.get(DEFAULT_CACHE_ALIAS, {})
    backend: str = cache.get("BACKEND", "no cache, because there is no default cache")
    if not values.get("throttle_rates") or "redis" in backend.lower() or "memcached" in backend.lower():
        return []
    return [
        checks.Warning(
            f"THROTTLE_RATES are counted in {backend}: {_how_it_counts(backend)}.",
            hint='Write: CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", '
            '"LOCATION": "redis://127.0.0.1:6379"}}',
            id="jay_sessions.W104",
        )
    ]


def _how_it_counts(backend: str) -> str:
    if backend.endswith((".DatabaseCache", ".FileBasedCache")):
        return (
            "processes do not share exact counts. Above MAX_ENTRIES (300 unless OPTIONS change it), the "
            "cache drops counts at random, so too many requests are allowed"
        )
    if backend.endswith(".LocMemCache"):
        return "each process has its own counts"
    return "processes may share only inexact counts, or none"


@register(Tags.urls)
def check_urls(**kwargs: Any) -> list[CheckMessage]:
    """Warn if the site's URLs do not contain the endpoints."""
    if not getattr(settings, "ROOT_URLCONF", None) or _has_endpoints(get_resolver()):
        return []
    return [
        checks.Warning(
            "The site's URLs do not include the endpoints.",
            hint='Write, in urls.py: urlpatterns += [path("", include("jay_sessions.urls"))]',
            id="jay_sessions.W112",
        )
    ]


def _has_endpoints(resolver: URLResolver) -> bool:
    below = [entry for entry in resolver.url_patterns if isinstance(entry, URLResolver)]
    return any(entry.app_name == "jay_sessions" or _has_endpoints(entry) for entry in below)


@register()
def check_cors(**kwargs: Any) -> list[CheckMessage]:
    """Warn if django-cors-headers allows pages on other origins, but not their key or token."""
    origins = ("CORS_ALLOW_ALL_ORIGINS", "CORS_ALLOWED_ORIGINS", "CORS_ALLOWED_ORIGIN_REGEXES")
    if not apps.is_installed("corsheaders") or not any(getattr(settings, name, None) for name in origins):
        return []
    return [
        checks.Warning(
            f"Pages on other origins cannot use the endpoints: {name} lacks {', '.join(sorted(missing))}.",
            hint=f"Write: {line}",
            id="jay_sessions.W113",
        )
        for name, needed, line in CORS
        if (missing := needed - {str(header).lower() for header in getattr(settings, name, ())})
    ]


@register(Tags.security, deploy=True)
def check_zephr_scheme(**kwargs: Any) -> list[CheckMessage]:
    """Warn if Zephr is called without encryption: others can read sessions and signatures."""
    values, _ = parsed()
    zephr = values.get("zephr")
    if zephr is None or zephr.base_url.startswith("https:"):
        return []
    return [
        checks.Warning(
            "Zephr is called over http.",
            hint='Write: "BASE_URL": "https://…"; or "TENANT": "acme"',
            id="jay_sessions.W105",
        )
    ]


@register(Tags.security, deploy=True)
def check_signed_tokens(**kwargs: Any) -> list[CheckMessage]:
    """Warn if anybody can make a token that GET accepts as valid."""
    values, _ = parsed()
    if values.get("require_signed_tokens"):
        return []
    return [
        checks.Warning(
            "Tokens without a signature are accepted. Anybody can invent a session that GET reports as "
            "valid, but it is never stored.",
            hint=f"If no client has tokens from another issuer, write: {conf.NAME} = "
            '{"REQUIRE_SIGNED_TOKENS": True}',
            id="jay_sessions.W103",
        )
    ]


@register(Tags.security, deploy=True)
def check_user_id_keys(**kwargs: Any) -> list[CheckMessage]:
    """Warn if a new SECRET_KEY would change the hash of every user: old sessions could not be erased."""
    values, _ = parsed()
    if values.get("user_id_storage") is not Storage.HASHED or values.get("user_id_keys"):
        return []
    return [
        checks.Warning(
            "User ids are hashed with a key that is made from SECRET_KEY. If SECRET_KEY changes and the "
            "old one is removed from SECRET_KEY_FALLBACKS, a user's older sessions can no longer be "
            "found or erased.",
            hint=f'Make a secret for it, and write: {conf.NAME} = {{"USER_ID_STORAGE": "hashed", '
            '"USER_ID_KEYS": [os.environ["USER_ID_KEY"]]}',
            id="jay_sessions.W108",
        )
    ]


@register(Tags.security, deploy=True)
def check_lifetime(**kwargs: Any) -> list[CheckMessage]:
    """Warn if tokens never expire."""
    values, problems = parsed()
    if problems or values.get("session_lifetime") is not None:
        return []
    return [
        checks.Warning(
            "Sessions do not expire: anyone who gets a token may use it for ever.",
            hint=f'Write: {conf.NAME} = {{"SESSION_LIFETIME": 30 * 24 * 60 * 60}}',
            id="jay_sessions.W109",
        )
    ]


@register(Tags.security, deploy=True)
def check_retention(**kwargs: Any) -> list[CheckMessage]:
    """Warn if user ids are stored forever."""
    values, problems = parsed()
    kept = values.get("retention") is None and values.get("user_id_storage") is not Storage.NONE
    if problems or not kept:
        return []
    return [
        checks.Warning(
            "Sessions with user ids are stored forever.",
            hint=f"Run jay_purge_sessions every day, and write: {conf.NAME} = "
            '{"RETENTION": 90 * 24 * 60 * 60, "SESSION_LIFETIME": 30 * 24 * 60 * 60}',
            id="jay_sessions.W110",
        )
    ]


REPORTS = (
    ("DEFAULT_EXCEPTION_REPORTER_FILTER", SecretsFilter),
    ("DEFAULT_EXCEPTION_REPORTER", SecretsReporter),
)
"""Django's settings for error reports, and the class that each should name."""


@register(Tags.security, deploy=True)
def check_reports(**kwargs: Any) -> list[CheckMessage]:
    """Warn if error reports, such as mails to ADMINS, may contain tokens and user ids."""
    missing = [
        f'{setting} = "{kind.__module__}.{kind.__qualname__}"'
        for setting, kind in REPORTS
        if not _is_made_of(getattr(settings, setting), kind)
    ]
    if not missing:
        return []
    return [
        checks.Warning(
            "Error reports of the site's own views contain user ids and tracking tokens. A tracking "
            "token works like a login.",
            hint=f"Write: {'; '.join(missing)}",
            id="jay_sessions.W128",
        )
    ]


def _is_made_of(path: str, kind: type) -> bool:
    try:
        imported = import_string(path)
    except ImportError:
        # Django fails with it, too, and says so.
        return False
    return isinstance(imported, type) and issubclass(imported, kind)
