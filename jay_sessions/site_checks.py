"""System checks: what of the site around `JAY_SESSIONS` does not suit it, and the line to type instead.

E020 and W1xx; those that only `check --deploy` runs speak of what is unsafe in production.
"""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.cache import DEFAULT_CACHE_ALIAS
from django.core.checks import CheckMessage, Tags, register
from django.db import router
from django.urls import URLResolver, get_resolver
from django.utils.module_loading import import_string

from . import conf, cores, lane_site
from .async_lane import AsyncFastLane
from .checks import parsed
from .lane import FastLane
from .models import TrackingSession
from .user_ids import Storage

SQLITE_HINT = (
    'DATABASES["default"]["OPTIONS"] = {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", '
    '"transaction_mode": "IMMEDIATE", "timeout": 20}'
)


CORS = (
    (
        "CORS_ALLOW_HEADERS",
        {"x-api-key", "x-jay-tracking"},
        '[*corsheaders.defaults.default_headers, "x-api-key", "x-jay-tracking", "x-api-version"]',
    ),
    (
        "CORS_EXPOSE_HEADERS",
        {"x-jay-tracking"},
        '["X-JAY-TRACKING", "X-API-Version", "Retry-After"]',
    ),
)
"""Settings of django-cors-headers: which headers must be in them, in lower case, and the line to write."""


@register()
def check_time_zones(**kwargs: Any) -> list[CheckMessage]:
    """Refuse a site that stores local time: a session's start is a point in time."""
    if settings.USE_TZ:
        return []
    message = "Sessions are stored with time zones, which USE_TZ = False switches off."
    return [checks.Error(message, hint="Write: USE_TZ = True", id="jay_sessions.E020")]


@register()
def check_database(**kwargs: Any) -> list[CheckMessage]:
    """Warn of a database that is neither PostgreSQL nor SQLite, and so untested."""
    database, vendor = _database()
    if vendor in ("postgresql", "postgis", "sqlite3", "spatialite"):
        return []
    return [
        checks.Warning(
            f"Sessions are stored with {database.get('ENGINE')}, which is untested.",
            hint='Use "django.db.backends.postgresql", or "django.db.backends.sqlite3" to begin with.',
            id="jay_sessions.W101",
        )
    ]


@register()
def check_sqlite(**kwargs: Any) -> list[CheckMessage]:
    """Warn of an SQLite that loses or refuses writes."""
    database, vendor = _database()
    options = database.get("OPTIONS", {})
    command = str(options.get("init_command", "")).lower().replace(" ", "")
    unsafe = "synchronous=off" in command or "synchronous=0" in command
    immediate = str(options.get("transaction_mode")).upper() == "IMMEDIATE"
    suits = "journal_mode=wal" in command and immediate and not unsafe
    if vendor not in ("sqlite3", "spatialite") or suits:
        return []
    return [
        checks.Warning(
            "SQLite is not set up for several writers and commits that last: requests at the same time may "
            "be answered 503.",
            hint=f"Write: {SQLITE_HINT}",
            id="jay_sessions.W102",
        )
    ]


def _database() -> tuple[dict[str, Any], str]:
    database = settings.DATABASES.get(router.db_for_write(TrackingSession), {})
    return database, str(database.get("ENGINE", "")).rpartition(".")[2]


@register(Tags.caches)
def check_throttle_cache(**kwargs: Any) -> list[CheckMessage]:
    """Warn where requests are counted in a cache that several processes do not share, or not exactly."""
    values, _ = parsed()
    backend = settings.CACHES[DEFAULT_CACHE_ALIAS].get("BACKEND", "")
    if not values.get("throttle_rates") or "redis" in backend.lower() or "memcached" in backend.lower():
        return []
    return [
        checks.Warning(
            f"THROTTLE_RATES are counted in {backend}: several processes do not count together exactly.",
            hint='Write: CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", '
            '"LOCATION": "redis://127.0.0.1:6379"}}',
            id="jay_sessions.W104",
        )
    ]


@register()
def check_pinning(**kwargs: Any) -> list[CheckMessage]:
    """Warn where workers are to keep to cores, and the system knows no such thing."""
    values, _ = parsed()
    if not values.get("pin_workers") or cores.can_pin():
        return []
    return [
        checks.Warning(
            "PIN_WORKERS does nothing on this system: it takes Linux.",
            hint=f'Write: {conf.NAME} = {{"PIN_WORKERS": sys.platform == "linux"}}',
            id="jay_sessions.W107",
        )
    ]


@register(Tags.urls)
def check_urls(**kwargs: Any) -> list[CheckMessage]:
    """Warn where the site's URLs do not have the endpoints."""
    if not getattr(settings, "ROOT_URLCONF", None) or _has_endpoints(get_resolver()):
        return []
    return [
        checks.Warning(
            "The site's URLs do not have the endpoints.",
            hint='Write, in urls.py: urlpatterns += [path("", include("jay_sessions.urls"))]',
            id="jay_sessions.W112",
        )
    ]


def _has_endpoints(resolver: URLResolver) -> bool:
    below = [entry for entry in resolver.url_patterns if isinstance(entry, URLResolver)]
    return any(entry.app_name == "jay_sessions" or _has_endpoints(entry) for entry in below)


@register()
def check_cors(**kwargs: Any) -> list[CheckMessage]:
    """Warn where pages on other origins are let in, by django-cors-headers, but not their key or token."""
    origins = ("CORS_ALLOW_ALL_ORIGINS", "CORS_ALLOWED_ORIGINS", "CORS_ALLOWED_ORIGIN_REGEXES")
    if not apps.is_installed("corsheaders") or not any(getattr(settings, name, None) for name in origins):
        return []
    return [
        checks.Warning(
            f"Pages on other origins cannot use the endpoints: {name} lacks {', '.join(sorted(missing))}.",
            hint=f"Write: {name} = {line}",
            id="jay_sessions.W113",
        )
        for name, needed, line in CORS
        if (missing := needed - {str(header).lower() for header in getattr(settings, name, ())})
    ]


@register(Tags.security, deploy=True)
def check_zephr_scheme(**kwargs: Any) -> list[CheckMessage]:
    """Warn where Zephr is called in the clear: sessions and signatures can then be read on the way."""
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
    """Warn while anybody can make a token that GET takes for valid."""
    values, _ = parsed()
    if values.get("require_signed_tokens"):
        return []
    return [
        checks.Warning(
            "Tokens without a signature are accepted, so that anybody can make up a session that GET "
            "reports as valid (though none that is stored).",
            hint=f"Unless clients hold tokens of another issuer, write: {conf.NAME} = "
            '{"REQUIRE_SIGNED_TOKENS": True}',
            id="jay_sessions.W103",
        )
    ]


@register(Tags.security, deploy=True)
def check_user_id_keys(**kwargs: Any) -> list[CheckMessage]:
    """Warn where a new SECRET_KEY would make every user another one, whom nobody can erase."""
    values, _ = parsed()
    if values.get("user_id_storage") is not Storage.HASHED or values.get("user_id_keys"):
        return []
    return [
        checks.Warning(
            "User ids are hashed with a key made of SECRET_KEY: once that is renewed and gone from "
            "SECRET_KEY_FALLBACKS, the sessions of a user cannot be found any more, nor erased.",
            hint=f'Write: {conf.NAME} = {{"USER_ID_STORAGE": "hashed", "USER_ID_KEYS": '
            '[os.environ["USER_ID_KEY"]]}, a secret of its own',
            id="jay_sessions.W108",
        )
    ]


@register(Tags.security, deploy=True)
def check_lifetime(**kwargs: Any) -> list[CheckMessage]:
    """Warn where tokens are good for ever."""
    values, problems = parsed()
    if problems or values.get("session_lifetime") is not None:
        return []
    return [
        checks.Warning(
            "Sessions do not expire: whoever gets hold of a token may use it for ever.",
            hint=f'Write: {conf.NAME} = {{"SESSION_LIFETIME": 30 * 24 * 60 * 60}}',
            id="jay_sessions.W109",
        )
    ]


@register(Tags.security, deploy=True)
def check_retention(**kwargs: Any) -> list[CheckMessage]:
    """Warn where ids of users are kept for ever."""
    values, problems = parsed()
    kept = values.get("retention") is None and values.get("user_id_storage") is not Storage.NONE
    if problems or not kept:
        return []
    return [
        checks.Warning(
            "Sessions with the ids of users are stored for ever.",
            hint=f'Write: {conf.NAME} = {{"RETENTION": 90 * 24 * 60 * 60, "SESSION_LIFETIME": '
            "30 * 24 * 60 * 60}, and run jay_purge_sessions every day",
            id="jay_sessions.W110",
        )
    ]


@register(Tags.security, deploy=True)
def check_proxies(**kwargs: Any) -> list[CheckMessage]:
    """Warn where a proxy's address would be throttled in the place of its clients'."""
    values, _ = parsed()
    behind_one = settings.SECURE_PROXY_SSL_HEADER or settings.USE_X_FORWARDED_HOST
    if not behind_one or values.get("num_proxies") or "anonymous" not in values.get("throttle_rates", {}):
        return []
    return [
        checks.Warning(
            "The site is behind a proxy, whose address all requests without a valid key seem to come from: "
            "they are throttled together.",
            hint=f'Write: {conf.NAME} = {{"NUM_PROXIES": 1}}, or as many as extend X-Forwarded-For',
            id="jay_sessions.W111",
        )
    ]


@register(Tags.security, deploy=True)
def check_fast_lane(**kwargs: Any) -> list[CheckMessage]:
    """Name the middleware that the fast lane's answers go past, where the site has a lane."""
    # ASGI_APPLICATION is Daphne's and Channels' setting; Django has none for it.
    applications = [_application(name) for name in ("WSGI_APPLICATION", "ASGI_APPLICATION")]
    if not any(isinstance(one, FastLane | AsyncFastLane) for one in applications):
        return []
    return [
        checks.Warning(
            f"The answers of the fast lane go past {path}, which may have added to them or refused them.",
            hint="If it has no part in tracking requests, write: SILENCED_SYSTEM_CHECKS = "
            '["jay_sessions.W106"]; else, in wsgi.py: application = get_wsgi_application(), '
            "and in asgi.py the like.",
            id="jay_sessions.W106",
        )
        for path in lane_site.unaccounted()
    ]


def _application(setting: str) -> Any:
    path = getattr(settings, setting, None)
    try:
        return import_string(path) if path else None
    except ImportError:
        # Nothing of ours: whoever serves the site hears of it.
        return None
