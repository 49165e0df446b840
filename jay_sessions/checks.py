"""System checks: what is wrong with the site's settings, and the line to type instead.

E001 stands for `JAY_SESSIONS` itself, the numbers in the table `HINTS` for the names in it; E020 and
W1xx speak of the site around it.
"""

import difflib
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.cache import DEFAULT_CACHE_ALIAS
from django.core.checks import CheckMessage, Tags, register
from django.db import router
from django.utils.module_loading import import_string

from . import conf, cores, lane_site
from .lane import FastLane
from .models import TrackingSession
from .user_ids import Storage

HINTS: dict[str, tuple[str, str]] = {
    conf.NAME: ("E001", "{}"),
    "REQUIRE_SIGNED_TOKENS": ("E002", '{"REQUIRE_SIGNED_TOKENS": True}'),
    "SESSION_LIFETIME": ("E003", '{"SESSION_LIFETIME": 30 * 24 * 60 * 60}'),
    "SOURCE": ("E004", '{"SOURCE": "jay.api.playout.1.0.0"}'),
    "PROVIDER_NAMES": ("E005", '{"PROVIDER_NAMES": {"nflx-*": "netflix"}}'),
    "PROVIDER_RESOLVER": ("E006", '{"PROVIDER_RESOLVER": "mysite.playouts.provider_of"}'),
    "COOKIE_NAME": ("E007", '{"COOKIE_NAME": "__Secure-jay_tracking"}'),
    "COOKIE_SAMESITE": ("E008", '{"COOKIE_SAMESITE": "Lax"}'),
    "COOKIE_DOMAIN": ("E009", '{"COOKIE_DOMAIN": "example.com"}'),
    "THROTTLE_RATES": ("E021", '{"THROTTLE_RATES": {"key": "6000/min", "anonymous": "60/min"}}'),
    "NUM_PROXIES": ("E022", '{"NUM_PROXIES": 1}'),
    "RECORDER": ("E029", '{"RECORDER": "group"}'),
    "END_PROPAGATION": ("E030", '{"END_PROPAGATION": 5, "SESSION_LIFETIME": 30 * 24 * 60 * 60}'),
    "PIN_WORKERS": ("E031", '{"PIN_WORKERS": True}'),
    "RETENTION": ("E032", '{"RETENTION": 90 * 24 * 60 * 60, "SESSION_LIFETIME": 30 * 24 * 60 * 60}'),
    "USER_ID_STORAGE": ("E033", '{"USER_ID_STORAGE": "hashed"}'),
    "USER_ID_KEYS": ("E034", '{"USER_ID_KEYS": [os.environ["USER_ID_KEY"]]}'),
    "GLOBAL_PRIVACY_CONTROL": ("E035", '{"GLOBAL_PRIVACY_CONTROL": True}'),
    "ZEPHR": ("E010", '{"ZEPHR": {"TENANT": "acme", "ACCESS_KEY": "…", "SECRET_KEY": "…"}}'),
    "TENANT": ("E011", '{"ZEPHR": {"TENANT": "acme", …}}'),
    "BASE_URL": ("E012", '{"ZEPHR": {"BASE_URL": "https://acme.api.zephr.com", …}}'),
    "ACCESS_KEY": ("E013", '{"ZEPHR": {"ACCESS_KEY": os.environ["ZEPHR_ACCESS_KEY"], …}}'),
    "SECRET_KEY": ("E014", '{"ZEPHR": {"SECRET_KEY": os.environ["ZEPHR_SECRET_KEY"], …}}'),
    "TIMEOUT": ("E015", '{"ZEPHR": {"TIMEOUT": 8, …}}'),
    "CONNECT_TIMEOUT": ("E016", '{"ZEPHR": {"CONNECT_TIMEOUT": 2, …}}'),
    "CACHE_TIMEOUT": ("E017", '{"ZEPHR": {"CACHE_TIMEOUT": 30, …}}'),
    "NOT_FOUND_CACHE_TIMEOUT": ("E018", '{"ZEPHR": {"NOT_FOUND_CACHE_TIMEOUT": 5, …}}'),
    "LINK_SESSIONS": ("E023", '{"ZEPHR": {"LINK_SESSIONS": True, …}}'),
    "SESSION_COOKIE_NAME": ("E024", '{"ZEPHR": {"SESSION_COOKIE_NAME": "blaize_session", …}}'),
    "MAX_ATTEMPTS": ("E025", '{"ZEPHR": {"MAX_ATTEMPTS": 3, …}}'),
    "STALE_IF_ERROR": ("E026", '{"ZEPHR": {"STALE_IF_ERROR": 600, …}}'),
    "CIRCUIT_FAILURES": ("E027", '{"ZEPHR": {"CIRCUIT_FAILURES": 10, …}}'),
    "CIRCUIT_TIMEOUT": ("E028", '{"ZEPHR": {"CIRCUIT_TIMEOUT": 10, …}}'),
}
UNKNOWN_NAME = "E019"

SQLITE_HINT = (
    'DATABASES["default"]["OPTIONS"] = {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", '
    '"transaction_mode": "IMMEDIATE", "timeout": 20}'
)


@register()
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Name everything that is wrong with `JAY_SESSIONS`."""
    _, problems = _parsed()
    return [_error(problem) for problem in problems]


def _parsed() -> tuple[dict[str, Any], list[conf.Problem]]:
    return conf.parse(getattr(settings, conf.NAME, {}))


def _error(problem: conf.Problem) -> CheckMessage:
    message = f"{conf.NAME}: {problem.name} {problem.message}."
    if problem.name in HINTS:
        number, example = HINTS[problem.name]
        hint = f"Write, for example: {conf.NAME} = {example}"
        return checks.Error(message, hint=hint, id=f"jay_sessions.{number}")
    close = difflib.get_close_matches(problem.name.upper(), HINTS, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"Known are: {', '.join(sorted(HINTS))}."
    return checks.Error(message, hint=hint, id=f"jay_sessions.{UNKNOWN_NAME}")


@register()
def check_time_zones(**kwargs: Any) -> list[CheckMessage]:
    """Refuse a site that stores local time: a session's start is a point in time."""
    if settings.USE_TZ:
        return []
    message = "Sessions are stored with time zones, which USE_TZ = False switches off."
    return [checks.Error(message, hint="Write: USE_TZ = True", id="jay_sessions.E020")]


@register()
def check_database(**kwargs: Any) -> list[CheckMessage]:
    """Warn of a database that is untested, and of an SQLite that loses or refuses writes."""
    database = settings.DATABASES.get(router.db_for_write(TrackingSession), {})
    vendor = str(database.get("ENGINE", "")).rpartition(".")[2]
    if vendor in ("postgresql", "postgis"):
        return []
    if vendor not in ("sqlite3", "spatialite"):
        return [
            checks.Warning(
                f"Sessions are stored with {database.get('ENGINE')}, which is untested.",
                hint='Use "django.db.backends.postgresql", or "django.db.backends.sqlite3" to begin with.',
                id="jay_sessions.W101",
            )
        ]
    options = database.get("OPTIONS", {})
    command = str(options.get("init_command", "")).lower().replace(" ", "")
    unsafe = "synchronous=off" in command or "synchronous=0" in command
    immediate = str(options.get("transaction_mode")).upper() == "IMMEDIATE"
    if "journal_mode=wal" in command and immediate and not unsafe:
        return []
    return [
        checks.Warning(
            "SQLite is not set up for several writers and commits that last: requests at the same time may "
            "be answered 503.",
            hint=f"Write: {SQLITE_HINT}",
            id="jay_sessions.W102",
        )
    ]


@register(Tags.caches)
def check_throttle_cache(**kwargs: Any) -> list[CheckMessage]:
    """Warn where requests are counted in a cache that several processes do not share, or not exactly."""
    values, _ = _parsed()
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
    values, _ = _parsed()
    if not values.get("pin_workers") or cores.can_pin():
        return []
    return [
        checks.Warning(
            "PIN_WORKERS does nothing on this system: it takes Linux.",
            hint=f'Write: {conf.NAME} = {{"PIN_WORKERS": sys.platform == "linux"}}',
            id="jay_sessions.W107",
        )
    ]


@register(Tags.security, deploy=True)
def check_zephr_scheme(**kwargs: Any) -> list[CheckMessage]:
    """Warn where Zephr is called in the clear: sessions and signatures can then be read on the way."""
    values, _ = _parsed()
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
    values, _ = _parsed()
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
    values, _ = _parsed()
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
def check_fast_lane(**kwargs: Any) -> list[CheckMessage]:
    """Name the middleware that the fast lane's answers go past, where the site has a lane."""
    if not isinstance(_wsgi_application(), FastLane):
        return []
    return [
        checks.Warning(
            f"The answers of the fast lane go past {path}, which may have added to them or refused them.",
            hint="If it has no part in tracking requests, write: SILENCED_SYSTEM_CHECKS = "
            '["jay_sessions.W106"]; else, in wsgi.py: application = get_wsgi_application()',
            id="jay_sessions.W106",
        )
        for path in lane_site.unaccounted()
    ]


def _wsgi_application() -> Any:
    try:
        return import_string(settings.WSGI_APPLICATION) if settings.WSGI_APPLICATION else None
    except ImportError:
        # Nothing of ours: whoever serves the site hears of it.
        return None
