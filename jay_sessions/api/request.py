"""A request as it was sent. Django itself replaces invalid UTF-8 and does not see a chunked body."""

import codecs
import contextlib
import io
from collections.abc import Iterable
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from django.http.request import RawPostDataException
from django.utils.http import parse_header_parameters
from rest_framework.request import Request

from ..http import is_asgi
from . import slow_bodies
from .authentication import anonymous_user
from .errors import BadParameter, BodyTooLarge

MAX_BODY = 64 * 1024
"""Largest body in bytes that is accepted."""

_RAW_PATH = "jay_sessions.raw_path"
_LONG_CONTENT_TYPE = 255


def before_request(
    *, environ: dict[str, Any] | None = None, scope: dict[str, Any] | None = None, **kwargs: Any
) -> None:
    """Receive `request_started`, the last moment before Django makes a request from the server's data.

    Django overwrites the path with a repaired one. If it cannot read the content type, it raises where
    no handler catches it, and the web server answers 500. Under ASGI it joins repeated header fields, also
    cookies, by commas, and some versions of it do not tell `X_API_Key` from `X-API-Key`.
    """
    if environ is not None:
        if not environ.get("PATH_INFO", "").isascii():
            environ[_RAW_PATH] = environ["PATH_INFO"]
        if "CONTENT_TYPE" in environ:
            environ["CONTENT_TYPE"] = _readable(environ["CONTENT_TYPE"])
    elif scope is not None and scope["type"] == "http":
        scope["headers"] = [
            (name, _readable(value.decode("latin-1")).encode("latin-1"))
            if name.lower() == b"content-type"
            else (name, value)
            for name, value in fields(scope["headers"])
        ]


def fields(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the header fields of an ASGI scope, with one field for all cookies and without spoofed fields.

    HTTP/2 sends each cookie in its own field; they are joined with `; ` (RFC 9113, 8.2.3). In META, a name
    with an underscore would replace the one with a hyphen, which a proxy may have set.
    """
    kept = [(name, value) for name, value in headers if b"_" not in name]
    cookies = [value for name, value in kept if name.lower() == b"cookie"]
    if len(cookies) < 2:
        return kept
    others = [(name, value) for name, value in kept if name.lower() != b"cookie"]
    return [*others, (b"cookie", b"; ".join(cookies))]


def _readable(content_type: str) -> str:
    media_type, semicolon, _ = content_type.partition(";")
    if not semicolon and len(content_type) <= _LONG_CONTENT_TYPE:
        return content_type
    try:
        _, parameters = parse_header_parameters(content_type)
        _look_up(parameters.get("charset", "utf-8"))
    except Exception:  # noqa: BLE001 (the standard library's parser has many for odd parameters)
        return media_type[:_LONG_CONTENT_TYPE]
    return content_type


def _look_up(charset: str) -> None:
    with contextlib.suppress(LookupError):  # Django ignores an unknown charset
        codecs.lookup(charset)


def raw_path(request: HttpRequest) -> bytes:
    """Return the path as bytes, percent-decoded."""
    if not is_asgi(request.META):
        return str(request.META.get(_RAW_PATH, "")).encode("latin-1") or request.path_info.encode()
    scope = cast(ASGIRequest, request).scope
    raw = scope.get("raw_path")
    return scope["path"].encode() if raw is None else unquote_to_bytes(raw)


def raw_query(request: HttpRequest) -> bytes:
    """Return the query string as bytes, as it was sent."""
    query: str = request.META.get("QUERY_STRING", "")
    # WSGI holds bytes as Latin-1; Django's ASGI handler decodes them as UTF-8.
    return query.encode("utf-8" if is_asgi(request.META) else "latin-1")


def last_value(encoded: bytes, name: str) -> bytes | None:
    """Return the last value of `name` in a URL-encoded query or form, decoded to bytes; None if absent.

    The time is linear in the length. The web server limits a query, `MAX_BODY` a form. Django's own
    parser refuses more than `DATA_UPLOAD_MAX_NUMBER_FIELDS` fields, with an HTML page.
    """
    wanted = name.encode()
    for pair in reversed(encoded.split(b"&")):
        key, _, value = pair.partition(b"=")
        # Our names need no percent-encoding, but a client may encode them anyway.
        if key == wanted or unquote_to_bytes(key.replace(b"+", b" ")) == wanted:
            return unquote_to_bytes(value.replace(b"+", b" "))
    return None


class _Oversized(io.BytesIO):
    # Raises when it is read, after the choice of the parser: in the contract, 415 comes before 413.
    def read(self, size: int | None = -1, /) -> bytes:
        raise BodyTooLarge(f"The body has more than {MAX_BODY} bytes.")


class BoundedRequest(Request):
    """DRF's request, with a body of at most `MAX_BODY` bytes in memory, also if it is chunked.

    Reading `data` raises BodyTooLarge for a longer body and BadParameter for one that breaks off.
    """

    def _not_authenticated(self) -> None:
        # DRF would read the anonymous user's class from the site's REST_FRAMEWORK.
        self._authenticator = None
        self.user = anonymous_user()
        self.auth = None

    def _load_stream(self) -> None:
        self._read_started = True
        request: Any = self._request
        if request._read_started and not hasattr(request, "_body"):
            raise RawPostDataException("A middleware has read the body.")
        stream: io.BytesIO | None = _Oversized()
        if self._declared_length() <= MAX_BODY:
            body = self._read_body()
            if len(body) <= MAX_BODY:
                stream = io.BytesIO(body) if body else None
        self._stream = stream  # type: ignore[assignment]

    def _declared_length(self) -> int:
        try:
            return int(self.META.get("CONTENT_LENGTH") or 0)
        except ValueError:
            return 0

    def _read_body(self) -> bytes:
        source = self._source()
        try:
            with slow_bodies.bounded(getattr(self._request, "environ", {})):
                body: bytes = source.read(MAX_BODY + 1)
        except Exception as error:  # web servers have exceptions of their own for it
            raise BadParameter(("body",), "body_incomplete", "The body broke off or is malformed.") from error
        if len(body) < self._declared_length():
            raise BadParameter(("body",), "body_incomplete", "The body is shorter than its Content-Length.")
        return body

    def _source(self) -> Any:
        # Without a Content-Length, Django takes the body for empty; chunked and HTTP/2 bodies may have none.
        environ = getattr(self._request, "environ", {})
        if not environ.get("CONTENT_LENGTH"):
            if environ.get("wsgi.input_terminated"):
                return environ["wsgi.input"]
            if environ.get("HTTP_TRANSFER_ENCODING"):
                message = "This web server does not decode chunked bodies: send a Content-Length."
                raise BadParameter(("body",), "body_unreadable", message)
        return self._request
