"""What each name in the setting `JAY_SESSIONS` may be: a parser per name, which raises ValueError.

A message completes the sentence that begins with the name: "must be True or False".
"""

import datetime
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.utils.module_loading import import_string

from . import providers
from .exceptions import InvalidValue
from .identifiers import check_text
from .rates import Rate
from .user_ids import Storage
from .zephr.signature import ACCESS_KEY

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
_MAX_JSON = 1300
_MANY = 10**9

MAX_ATTEMPTS = 10
"""Requests that one call to Zephr may cost at the most."""

SHORTEST_KEY = 32
"""Characters of a secret that user ids are hashed with: these can be guessed, so the key must not be."""

THROTTLES = ("key", "anonymous")
"""What can be throttled: requests with a valid key, by key; all others, by address."""


RECORDERS = ("direct", "group")
"""How a started session becomes a row: the modules of `recorders/`."""


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
    if not number or not 0 < value <= _MANY or not math.isfinite(value):
        raise ValueError("must be a number of seconds above 0")
    return float(value)


def _whole(least: int, most: int, wrong: str) -> Parser:
    def parse(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(wrong)
        return value

    return parse


def _one_of(*choices: str) -> Parser:
    *others, last = (f'"{choice}"' for choice in choices)

    def parse(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"must be {', '.join(others)} or {last}")
        return choices[choices.index(value)]

    return parse


def _propagation(value: Any) -> float:
    if value == 0 and not isinstance(value, bool):
        return 0.0
    try:
        return _seconds(value)
    except ValueError:
        raise ValueError("must be a number of seconds, 0 to ask the database each time") from None


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


def _user_id_keys(value: Any) -> list[str] | None:
    if value is None:
        return None
    wrong = f"must be None or a list of secrets, each of {SHORTEST_KEY} characters or more"
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(wrong)
    if not all(isinstance(secret, str) and len(secret) >= SHORTEST_KEY for secret in value):
        raise ValueError(wrong)
    return [*value]


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
    if not isinstance(value, str) or not ACCESS_KEY.fullmatch(value):
        raise ValueError("must be Zephr's access key: printable characters without a colon")
    return value


def _secret_key(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("must be the secret key that Zephr issued with the access key")
    return value


_whole_seconds = _whole(0, _MANY, "must be a whole number of seconds, 0 to switch it off")

ZEPHR_PARSERS: dict[str, Parser] = {
    "TENANT": _tenant,
    "BASE_URL": _base_url,
    "ACCESS_KEY": _access_key,
    "SECRET_KEY": _secret_key,
    "TIMEOUT": _seconds,
    "CONNECT_TIMEOUT": _seconds,
    "CACHE_TIMEOUT": _whole_seconds,
    "NOT_FOUND_CACHE_TIMEOUT": _whole_seconds,
    "MAX_ATTEMPTS": _whole(1, MAX_ATTEMPTS, f"must be a whole number of attempts, from 1 to {MAX_ATTEMPTS}"),
    "STALE_IF_ERROR": _whole_seconds,
    "CIRCUIT_FAILURES": _whole(0, _MANY, "must be a whole number of failures in a row, 0 to switch it off"),
    "CIRCUIT_TIMEOUT": _seconds,
    "LINK_SESSIONS": _flag,
    "SESSION_COOKIE_NAME": _cookie_name,
}

PARSERS: dict[str, Parser] = {
    "REQUIRE_SIGNED_TOKENS": _flag,
    "SESSION_LIFETIME": _lifetime,
    "RETENTION": _lifetime,
    "USER_ID_STORAGE": _one_of(*Storage),
    "USER_ID_KEYS": _user_id_keys,
    "GLOBAL_PRIVACY_CONTROL": _flag,
    "SOURCE": _text,
    "PROVIDER_NAMES": _provider_names,
    "PROVIDER_RESOLVER": _provider_resolver,
    "COOKIE_NAME": _cookie_name,
    "COOKIE_SAMESITE": _one_of("Lax", "Strict", "None"),
    "COOKIE_DOMAIN": _cookie_domain,
    "THROTTLE_RATES": _throttle_rates,
    "NUM_PROXIES": _whole(0, 100, "must be the number of proxies in front of the site, 0 for none"),
    "RECORDER": _one_of(*RECORDERS),
    "END_PROPAGATION": _propagation,
    "PIN_WORKERS": _flag,
}
