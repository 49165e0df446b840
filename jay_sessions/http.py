"""The HTTP headers that the app reads and writes: the token's cookie and header, and `Sec-GPC`."""

import functools
import re
import time
from collections.abc import Container, Mapping
from http.cookies import Morsel, SimpleCookie
from typing import Any

from django.http import HttpResponse, parse_cookie
from django.http.response import HttpResponseBase

from . import conf
from .core import tokens
from .core.secret_text import Secret
from .exceptions import InvalidToken

HEADER = "X-JAY-TRACKING"

MAX_TOKENS = 16
"""The most tokens of one request that are examined: each may cost a look-up."""

# Some WSGI servers join several Cookie fields with a comma, others with a semicolon.
_BETWEEN_COOKIES = re.compile(r";|,(?=[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*=)")


def is_asgi(meta: Mapping[str, Any]) -> bool:
    """Say whether a request came over ASGI. `meta` is its `META`: under WSGI it has `wsgi.version`."""
    return "wsgi.version" not in meta


def may_have_body(meta: Mapping[str, Any]) -> bool:
    """Say whether a request may have a body: in HTTP/1 a header says so. `meta` is its `META`."""
    length = meta.get("CONTENT_LENGTH") or ""
    if length == "" and "HTTP_TRANSFER_ENCODING" not in meta:
        return not str(meta.get("SERVER_PROTOCOL", "")).startswith("HTTP/1.")
    return length != "0" or "HTTP_TRANSFER_ENCODING" in meta


def has_gpc(meta: Mapping[str, Any]) -> bool:
    """Say whether a request has Global Privacy Control's `Sec-GPC: 1`, and `GLOBAL_PRIVACY_CONTROL` is on.

    Every other value has no meaning (https://www.w3.org/TR/gpc/).
    """
    return conf.get().global_privacy_control and meta.get("HTTP_SEC_GPC", "").strip() == "1"


def received(meta: Mapping[str, Any]) -> list[Secret]:
    """Return the tokens of a request, at most `MAX_TOKENS`: first from cookies, then from the header.

    `meta` is the request's `META`. Several cookies may have the same name, with another domain or path;
    `request.COOKIES` has only one of them. Here, the session that started last comes first.
    """
    tokens, name, is_joined_by_commas = [], conf.get().cookie_name, not is_asgi(meta)
    for part in _cookies(meta):
        key, _, value = part.partition("=")
        if is_joined_by_commas:
            # A token has no comma: the rest is another field, a cookie without a name.
            value = value.partition(",")[0]
        if key.strip() == name and (text := value.strip()):
            tokens.append(Secret(text))
    in_header = Secret(meta.get("HTTP_X_JAY_TRACKING", "").strip())
    if len(tokens) > 1:
        tokens = _newest_first(tokens[: MAX_TOKENS - bool(in_header)])
    return [*tokens, in_header] if in_header else tokens


def cookie(meta: Mapping[str, Any], name: str) -> str:
    """Return the value of the cookie `name` in a request's `META`; "" if there is none."""
    return parse_cookie(";".join(_cookies(meta))).get(name, "")


def _cookies(meta: Mapping[str, Any]) -> list[str]:
    text: str = meta.get("HTTP_COOKIE", "")
    # Under ASGI, `before_request` has joined the fields by the rule of RFC 9113.
    if "," in text and not is_asgi(meta):
        return _BETWEEN_COOKIES.split(text)
    return text.split(";")


def _newest_first(candidates: list[Secret]) -> list[Secret]:
    keys, readable = conf.get().signing_keys, []
    for candidate in candidates:
        try:
            readable.append((tokens.decode(candidate, keys).start_time, candidate))
        except InvalidToken:
            continue
    return [candidate for _, candidate in sorted(readable, reverse=True)]


def send(response: HttpResponseBase, encoded: str) -> None:
    """Set a token as header and cookie; the cookie's `Max-Age` is `SESSION_LIFETIME`, if the site has one."""
    lifetime = conf.get().session_lifetime
    # Some WSGI servers refuse a header that is a subclass of `str`.
    text = str(encoded)
    response[HEADER] = text
    _set_cookie(response, text, None if lifetime is None else int(lifetime.total_seconds()))


def headers(encoded: str) -> list[tuple[str, str]]:
    """Return the headers that `send` sets, as pairs, for code without a Django response."""
    settings = conf.get()
    # Instead of a `set_cookie` for each answer: saves 28 µs of 445 a POST (bench.fast_paths).
    # A cookie with a `Max-Age` also names the second at which it expires, so the time is part of the key.
    flags = _flags(
        settings.cookie_name,
        settings.cookie_domain,
        settings.cookie_samesite,
        settings.cookie_partitioned,
        None if settings.session_lifetime is None else int(time.time()),
    )
    # A token contains no character that needs quotes.
    return [(HEADER, str(encoded)), ("Set-Cookie", f"{settings.cookie_name}={encoded}{flags}")]


@functools.lru_cache(2)
def _flags(name: str, *settings: Any) -> str:
    response = HttpResponse()
    send(response, "token")
    return response.cookies[name].OutputString().removeprefix(f"{name}=token")


def delete(response: HttpResponseBase) -> None:
    """Tell the client to delete the cookie.

    It is set again with `Max-Age=0`, because `delete_cookie` leaves out some of the cookie's flags.
    """
    _set_cookie(response, "", 0)


def _set_cookie(response: HttpResponseBase, value: str, max_age: int | None) -> None:
    settings = conf.get()
    response.set_cookie(
        settings.cookie_name,
        value,
        max_age=max_age,
        domain=settings.cookie_domain,
        secure=True,
        httponly=True,
        samesite=settings.cookie_samesite,  # type: ignore[arg-type]
    )
    rewrite_cookie(response.cookies, settings.cookie_name, is_partitioned=settings.cookie_partitioned)


class TidyMorsel(Morsel[str]):
    """A cookie without the space that Django's WSGI handler writes before its name.

    Granian sends that space over HTTP/2, and nghttp2 (in Node and in curl) drops such a header.
    """

    def output(self, attrs: Container[str] | None = None, header: str = "Set-Cookie:") -> str:
        return super().output(attrs, header).lstrip()


class PartitionedMorsel(TidyMorsel):
    """A cookie with `Partitioned` (CHIPS): the browser keeps one for each site that embeds the page.

    `http.cookies` supports the attribute only from Python 3.14 on. This is a class of its own, because a copy
    or pickle of a morsel loses attributes that `Morsel` does not know.
    """

    def OutputString(self, attrs: Container[str] | None = None) -> str:
        return f"{super().OutputString(attrs)}; Partitioned"


def rewrite_cookie(cookies: SimpleCookie, name: str, *, is_partitioned: bool) -> None:
    """Replace only the cookie `name`, by a `TidyMorsel` or `PartitionedMorsel` with its value and flags.

    With `is_partitioned`, it is a `PartitionedMorsel`.
    """
    plain, morsel = cookies[name], PartitionedMorsel() if is_partitioned else TidyMorsel()
    morsel.set(plain.key, plain.value, plain.coded_value)
    morsel.update(plain)
    cookies[name] = morsel
