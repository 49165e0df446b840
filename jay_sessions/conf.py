"""The setting `JAY_SESSIONS` as one frozen, typed object; nothing else reads it.

`get()` reads it at the first use and again after `setting_changed`, so `override_settings` works.
Every name that can stand in it is a row of `PARSERS` (or, inside `ZEPHR`, of `ZEPHR_PARSERS`).
"""

import dataclasses
import datetime
import functools
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from . import providers, tokens
from .exceptions import InvalidValue
from .identifiers import check_text
from .rates import Rate

NAME = "JAY_SESSIONS"

Parser = Callable[[Any], Any]

_COOKIE_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
# The names of a cookie's attributes, which Python's http.cookies takes for no cookie's name.
_COOKIE_WORDS = frozenset(
    [
        "comment",
        "domain",
        "expires",
        "httponly",
        "max-age",
        "partitioned",
        "path",
        "samesite",
        "secure",
        "version",
    ]
)
_COOKIE_DOMAIN = re.compile(r"\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_BASE_URL = re.compile(r"https?://([A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?(/[!-~]*)?")
_TENANT = re.compile(r"[A-Za-z0-9-]{1,63}")
_ACCESS_KEY = re.compile(r"[!-9;-~]+")
_MAX_JSON = 1300
_SAME_SITE = ("Lax", "Strict", "None")

THROTTLES = ("key", "anonymous")
"""What can be throttled: requests with a valid key, by key; all others, by address."""


@dataclasses.dataclass(frozen=True, slots=True)
class ZephrSettings:
    """Where Zephr's Admin API is and how to sign for it; all times in seconds."""

    base_url: str
    access_key: str
    secret_key: str = dataclasses.field(repr=False)
    timeout: float = 8.0
    connect_timeout: float = 2.0
    cache_timeout: int = 30
    not_found_cache_timeout: int = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """`JAY_SESSIONS`, checked, with defaults filled in; `signing_keys` come from `SECRET_KEY`.

    The first of the keys signs, all of them verify.
    """

    signing_keys: tuple[bytes, ...] = dataclasses.field(repr=False)
    require_signed_tokens: bool = False
    session_lifetime: datetime.timedelta | None = None
    source: str = "jay.api.playout.1.0.0"
    provider_names: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    provider_resolver: providers.Resolver | None = None
    cookie_name: str = "__Secure-jay_tracking"
    cookie_samesite: str = "Lax"
    cookie_domain: str | None = None
    throttle_rates: Mapping[str, Rate] = dataclasses.field(default_factory=dict)
    num_proxies: int = 0
    zephr: ZephrSettings | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the setting: under which name, and what about it."""

    name: str
    message: str


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be True or False")
    return value


def _text(value: Any) -> str:
    try:
        text = check_text(value)
    except InvalidValue as error:
        raise ValueError(f"must be a short string ({error.message})") from error
    if not text.strip():
        raise ValueError("must not be blank")
    if len(json.dumps(text)) > _MAX_JSON:
        raise ValueError("must be short enough for a cookie: characters beyond ASCII take 6 or 12 places")
    return text


def _seconds(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value <= 10**9 or not math.isfinite(value):
        raise ValueError("must be a number of seconds above 0")
    return float(value)


def _whole_seconds(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 10**9:
        raise ValueError("must be a whole number of seconds, 0 to switch it off")
    return value


def _lifetime(value: Any) -> datetime.timedelta | None:
    if value is None:
        return None
    if isinstance(value, datetime.timedelta):
        value = value.total_seconds()
    wrong = "must be None, a timedelta or a number of seconds, 1 or more"
    try:
        seconds = _seconds(value)
    except ValueError:
        raise ValueError(wrong) from None
    if seconds < 1:
        raise ValueError(wrong)
    return datetime.timedelta(seconds=seconds)


def _provider_names(value: Any) -> dict[str, str | None]:
    if not isinstance(value, Mapping):
        raise ValueError("must be a dict of playout patterns to names")
    return {_text(pattern): None if name is None else _text(name) for pattern, name in value.items()}


def _provider_resolver(value: Any) -> providers.Resolver | None:
    if isinstance(value, str):
        try:
            value = import_string(value)
        except (ImportError, TypeError, ValueError) as error:
            raise ValueError(f"cannot be imported: {error}") from error
    if value is not None and not callable(value):
        raise ValueError("must be None, a callable or the dotted path of one")
    resolver: providers.Resolver | None = value
    return resolver


def _cookie_name(value: Any) -> str:
    if not isinstance(value, str) or not _COOKIE_NAME.fullmatch(value) or value.lower() in _COOKIE_WORDS:
        raise ValueError("must be a cookie name: up to 128 letters, digits and !#$%&'*+-.^_`|~")
    return value


def _cookie_samesite(value: Any) -> str:
    if value not in _SAME_SITE:
        raise ValueError('must be "Lax", "Strict" or "None"')
    return str(value)


def _cookie_domain(value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and _COOKIE_DOMAIN.fullmatch(value)):
        raise ValueError('must be None or a domain such as "example.com"')
    return value


def _throttle_rates(value: Any) -> dict[str, Rate]:
    wrong = f'must be a dict with rates such as "100/min" for {" and ".join(THROTTLES)}'
    if not isinstance(value, Mapping) or not set(value) <= set(THROTTLES):
        raise ValueError(wrong)
    try:
        return {name: Rate.parse(rate) for name, rate in value.items() if rate is not None}
    except (TypeError, ValueError) as error:
        raise ValueError(wrong) from error


def _num_proxies(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 100:
        raise ValueError("must be the number of proxies in front of the site, 0 for none")
    return value


def _tenant(value: Any) -> str:
    if not isinstance(value, str) or not _TENANT.fullmatch(value):
        raise ValueError('must be the tenant\'s name, as in "https://<tenant>.api.zephr.com"')
    return f"https://{value}.api.zephr.com"


def _base_url(value: Any) -> str:
    wrong = 'must be an absolute URL such as "https://acme.api.zephr.com", without query or login'
    if not isinstance(value, str):
        raise ValueError(wrong)
    try:
        parts = urlsplit(value)
        valid = parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise ValueError(wrong) from error
    if not valid or not _BASE_URL.fullmatch(value) or "?" in value or "#" in value:
        raise ValueError(wrong)
    return value.rstrip("/")


def _access_key(value: Any) -> str:
    if not isinstance(value, str) or not _ACCESS_KEY.fullmatch(value):
        raise ValueError("must be Zephr's access key: printable characters without a colon")
    return value


def _secret_key(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("must be the secret key that Zephr issued with the access key")
    return value


ZEPHR_PARSERS: dict[str, Parser] = {
    "TENANT": _tenant,
    "BASE_URL": _base_url,
    "ACCESS_KEY": _access_key,
    "SECRET_KEY": _secret_key,
    "TIMEOUT": _seconds,
    "CONNECT_TIMEOUT": _seconds,
    "CACHE_TIMEOUT": _whole_seconds,
    "NOT_FOUND_CACHE_TIMEOUT": _whole_seconds,
}

PARSERS: dict[str, Parser] = {
    "REQUIRE_SIGNED_TOKENS": _flag,
    "SESSION_LIFETIME": _lifetime,
    "SOURCE": _text,
    "PROVIDER_NAMES": _provider_names,
    "PROVIDER_RESOLVER": _provider_resolver,
    "COOKIE_NAME": _cookie_name,
    "COOKIE_SAMESITE": _cookie_samesite,
    "COOKIE_DOMAIN": _cookie_domain,
    "THROTTLE_RATES": _throttle_rates,
    "NUM_PROXIES": _num_proxies,
}


def _parse(raw: Any, parsers: dict[str, Parser], where: str) -> tuple[dict[str, Any], list[Problem]]:
    values, problems = {}, []
    if not isinstance(raw, Mapping):
        return {}, [Problem(where, "must be a dict")]
    for name, value in raw.items():
        if name not in parsers:
            problems.append(Problem(str(name), f"is not a name that {where} knows"))
            continue
        try:
            values[name.lower()] = parsers[name](value)
        except ValueError as error:
            problems.append(Problem(name, str(error)))
    return values, problems


def _parse_zephr(raw: Any) -> tuple[ZephrSettings | None, list[Problem]]:
    if not raw and (raw is None or isinstance(raw, Mapping)):
        return None, []
    values, problems = _parse(raw, ZEPHR_PARSERS, "ZEPHR")
    if problems:
        return None, problems
    places = [values.pop(name) for name in ("tenant", "base_url") if name in values]
    if len(places) != 1:
        problems.append(Problem("ZEPHR", "must have either TENANT or BASE_URL"))
    for name in ("ACCESS_KEY", "SECRET_KEY"):
        if name.lower() not in values:
            problems.append(Problem("ZEPHR", f"must have {name}"))
    return (None if problems else ZephrSettings(base_url=places[0], **values)), problems


def parse(raw: Any) -> tuple[dict[str, Any], list[Problem]]:
    """Return the values by the names of `Settings`, and everything that is wrong with `raw`."""
    if not isinstance(raw, Mapping):
        return {}, [Problem(NAME, "must be a dict")]
    values, problems = _parse({k: v for k, v in raw.items() if k != "ZEPHR"}, PARSERS, NAME)
    values["zephr"], zephr_problems = _parse_zephr(raw.get("ZEPHR"))
    if values.get("cookie_name", "").startswith("__Host-") and values.get("cookie_domain"):
        problems.append(Problem("COOKIE_DOMAIN", "must be None for a cookie whose name starts with __Host-"))
    return values, problems + zephr_problems


@functools.cache
def get() -> Settings:
    """Return the settings. Raises ImproperlyConfigured, naming everything that is wrong."""
    values, problems = parse(getattr(settings, NAME, {}))
    if problems:
        raise ImproperlyConfigured("; ".join(f"{NAME}: {p.name} {p.message}" for p in problems))
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return Settings(signing_keys=tuple(tokens.signing_key(secret) for secret in secrets), **values)


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in (NAME, "SECRET_KEY", "SECRET_KEY_FALLBACKS"):
        get.cache_clear()


setting_changed.connect(_forget, dispatch_uid="jay_sessions.conf")
