"""Where the token travels: read from cookie and header, sent as both, the cookie deleted."""

import functools
import time
from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from . import conf

HEADER = "X-JAY-TRACKING"


def received(meta: Mapping[str, Any]) -> list[str]:
    """Return what a request carries as tokens, unread: the cookies' first, then the header's.

    `meta` is the request's `META`. Of cookies with the same name, which differ in domain or path,
    `request.COOKIES` has only one.
    """
    found, name = [], conf.get().cookie_name
    for part in meta.get("HTTP_COOKIE", "").split(";"):
        key, _, value = part.partition("=")
        if key.strip() == name and (text := value.strip()):
            found.append(text)
    if text := meta.get("HTTP_X_JAY_TRACKING", "").strip():
        found.append(text)
    return found


def send(response: HttpResponseBase, encoded: str) -> None:
    """Hand a token out as header and cookie; the cookie lives as long as the session may."""
    lifetime = conf.get().session_lifetime
    response[HEADER] = encoded
    _set_cookie(response, encoded, None if lifetime is None else int(lifetime.total_seconds()))


def headers(encoded: str) -> list[tuple[str, str]]:
    """Return the headers that `send` sets, for who has no response of Django's."""
    settings = conf.get()
    # A cookie with a `Max-Age` says at which second it expires as well.
    flags = _flags(
        settings.cookie_name,
        settings.cookie_domain,
        settings.cookie_samesite,
        None if settings.session_lifetime is None else int(time.time()),
    )
    # No character of a token needs quotes.
    return [(HEADER, encoded), ("Set-Cookie", f"{settings.cookie_name}={encoded}{flags}")]


@functools.lru_cache(2)
def _flags(name: str, *what_they_hang_on: Any) -> str:
    response = HttpResponse()
    send(response, "token")
    return response.cookies[name].OutputString().removeprefix(f"{name}=token")


def delete(response: HttpResponseBase) -> None:
    """Tell the client to drop the cookie.

    Set anew with `Max-Age=0`, since `delete_cookie` leaves out flags which the cookie was set with.
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
