"""System checks: what is wrong with `JAY_SESSIONS`, and the line to type instead.

E001 stands for the setting itself, the numbers in the table `HINTS` for the names in it; `site_checks.py`
has those of the site around it.
"""

import difflib
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, register

from . import conf

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


@register()
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Name everything that is wrong with `JAY_SESSIONS`."""
    _, problems = parsed()
    return [_error(problem) for problem in problems]


def parsed() -> tuple[dict[str, Any], list[conf.Problem]]:
    """Return what of the setting is right, by the names of `conf.Settings`, and all that is wrong."""
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
