"""Functions that check the value of a setting and return it in the form that the app uses.

They raise ValueError. Its message completes a sentence that begins with the name: "must be True or False".
"""

import datetime
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.utils.module_loading import import_string

from ..core import providers
from ..core.identifiers import ZEPHR_ACCESS_KEY, check_text
from ..core.proxy_url import Proxy
from ..core.rates import Rate
from ..core.spans import Length
from ..exceptions import InvalidValue

_COOKIE_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
# The names of a cookie's attributes: Python's http.cookies refuses them as the name of a cookie.
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
_LARGEST = 10**9

SHORTEST_KEY = 32
"""The minimum length, in characters, of a secret for user ids: it must be hard to guess, unlike the ids."""

THROTTLES = ("key", "anonymous")
"""Requests with a valid key are throttled by key, all others by address."""


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be True or False")
    return value


def text(value: Any) -> str:
    try:
        checked = check_text(value)
    except InvalidValue as error:
        raise ValueError(f"must be a short string ({error.message})") from error
    if not checked.strip():
        raise ValueError("must not be blank")
    if len(json.dumps(checked)) > _MAX_JSON:
        raise ValueError("must be short enough for a cookie; a character beyond ASCII counts as 6 or 12")
    return checked


def seconds(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value <= _LARGEST or not math.isfinite(value):
        raise ValueError("must be a number of seconds above 0")
    return float(value)


def whole_number(wrong: str, *, least: int = 0, most: int = _LARGEST) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(wrong)
        return value

    return parse


whole_seconds = whole_number("must be a whole number of seconds, 0 to switch it off")


def one_of(*choices: str) -> Callable[[Any], str]:
    *others, last = (f'"{choice}"' for choice in choices)

    def parse(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"must be {', '.join(others)} or {last}")
        return choices[choices.index(value)]

    return parse


def none_or_one_of(*choices: str) -> Callable[[Any], str | None]:
    chosen = one_of(*choices)

    def parse(value: Any) -> str | None:
        try:
            return None if value is None else chosen(value)
        except ValueError as error:
            raise ValueError(str(error).replace("must be", "must be None,")) from None

    return parse


def partitions(value: Any) -> Length | None:
    length = none_or_one_of(*Length)(value)
    return None if length is None else Length(length)


def seconds_or_zero(value: Any) -> float:
    if value == 0 and not isinstance(value, bool):
        return 0.0
    try:
        return seconds(value)
    except ValueError:
        raise ValueError("must be a number of seconds, 0 to ask the database each time") from None


def lifetime(value: Any) -> datetime.timedelta | None:
    if value is None:
        return None
    if isinstance(value, datetime.timedelta):
        value = value.total_seconds()
    wrong = "must be None, a timedelta or a number of seconds, 1 or more"
    try:
        number = seconds(value)
    except ValueError:
        raise ValueError(wrong) from None
    if number < 1:
        raise ValueError(wrong)
    return datetime.timedelta(seconds=number)


def user_id_keys(value: Any) -> list[str] | None:
    if value is None:
        return None
    wrong = f"must be None or a list of secrets, each of {SHORTEST_KEY} characters or more"
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(wrong)
    if not all(isinstance(secret, str) and len(secret) >= SHORTEST_KEY for secret in value):
        raise ValueError(wrong)
    return [*value]


def ignored_user_ids(value: Any) -> tuple[str, ...]:
    wrong = "must be a list of user ids as clients send them, [] for none"
    if not isinstance(value, list | tuple):
        raise ValueError(wrong)
    try:
        return tuple(text(user_id) for user_id in value)
    except ValueError:
        raise ValueError(wrong) from None


def provider_names(value: Any) -> dict[str, str | None]:
    if not isinstance(value, Mapping):
        raise ValueError("must be a dict of playout patterns to names")
    return {text(pattern): None if name is None else text(name) for pattern, name in value.items()}


def provider_resolver(value: Any) -> providers.Resolver | None:
    if isinstance(value, str):
        try:
            value = import_string(value)
        except (ImportError, TypeError, ValueError) as error:
            raise ValueError(f"cannot be imported: {error}") from error
    if value is not None and not callable(value):
        raise ValueError("must be None, a callable or the dotted path of one")
    resolver: providers.Resolver | None = value
    return resolver


def cookie_name(value: Any) -> str:
    if not isinstance(value, str) or not _COOKIE_NAME.fullmatch(value) or value.lower() in _COOKIE_WORDS:
        raise ValueError("must be a cookie name: up to 128 letters, digits and !#$%&'*+-.^_`|~")
    return value


def cookie_domain(value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and _COOKIE_DOMAIN.fullmatch(value)):
        raise ValueError('must be None or a domain such as "example.com"')
    return value


def throttle_rates(value: Any) -> dict[str, Rate]:
    wrong = f'must be a dict with rates such as "100/min" for {" and ".join(THROTTLES)}'
    if not isinstance(value, Mapping) or not set(value) <= set(THROTTLES):
        raise ValueError(wrong)
    try:
        return {name: Rate.parse(rate) for name, rate in value.items() if rate is not None}
    except (TypeError, ValueError) as error:
        raise ValueError(wrong) from error


def tenant(value: Any) -> str:
    if not isinstance(value, str) or not _TENANT.fullmatch(value):
        raise ValueError('must be the tenant\'s name, as in "https://<tenant>.api.zephr.com"')
    return value


def base_url(value: Any) -> str:
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


def access_key(value: Any) -> str:
    if not isinstance(value, str) or not ZEPHR_ACCESS_KEY.fullmatch(value):
        raise ValueError("must be Zephr's access key: printable characters without a colon")
    return value


def secret_key(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("must be the secret key that Zephr issued with the access key")
    return value


def proxy(value: Any) -> str | None:
    if value is not None:
        Proxy.parse(value)
    url: str | None = value
    return url


def ca_bundle(value: Any) -> str | None:
    if value is not None and not (isinstance(value, str | os.PathLike) and str(value).strip()):
        raise ValueError("must be None or the path of a file with certificates")
    return None if value is None else str(value)
