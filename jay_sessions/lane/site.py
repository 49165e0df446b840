"""The fast lane's knowledge of the site: the endpoint's path, and the headers that the middleware adds."""

import io
import re
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse
from django.utils.module_loading import import_string

from ..api.versioning import API_VERSION, VERSION_HEADER, version_of
from ..api.views.tracking_sessions import TrackingSessionView
from ..core.identifiers import clean_playout_id
from ..exceptions import InvalidPlayoutId

Environ = dict[str, Any]
Header = tuple[str, str] | tuple[bytes, bytes]
Headers = list[Header]

ASKED = (
    "django.middleware.security.SecurityMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
)
"""Middleware that the lane runs on an empty response, to add its headers to answers."""

SILENT = (
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "jay_sessions.middleware.TrackingSessionMiddleware",
)
"""Middleware that adds nothing to an answer of this endpoint."""

MAX_KNOWN = 1024
"""The most combinations of host and scheme with remembered headers."""
_PLACE = "x"


def unaccounted() -> list[str]:
    """Return the entries of `MIDDLEWARE` that the lane does not know: its answers bypass them."""
    return [path for path in settings.MIDDLEWARE if path not in ASKED and path not in SILENT]


def as_text(name: str, value: str) -> Header:
    """Return a header in WSGI's form."""
    return name, value


def as_bytes(name: str, value: str) -> Header:
    """Return a header in ASGI's form."""
    return name.lower().encode("ascii"), value.encode("latin-1")


class Site:
    """The site by its current settings and URLs. `write` makes a header from name and value."""

    def __init__(self, write: Callable[[str, str], Header]) -> None:
        self.write = write
        self._path = _path_of_the_endpoint()
        self.cookies = (settings.CSRF_COOKIE_NAME, settings.SESSION_COOKIE_NAME)
        """Names of the cookies that the site's middleware reads: it may replace or delete a malformed one."""
        self.adds_length = "django.middleware.common.CommonMiddleware" in settings.MIDDLEWARE
        self.names = _names_of_host_and_scheme()
        """The keys of an environ that decide the request's host and scheme."""
        self._headers: dict[tuple[Any, ...], Headers] = {}
        has_cors = "corsheaders.middleware.CorsMiddleware" in settings.MIDDLEWARE
        # Its headers depend on the path.
        self._cors_paths = re.compile(getattr(settings, "CORS_URLS_REGEX", "^.*$")) if has_cors else None
        self._middleware: Callable[[WSGIRequest], HttpResponseBase] | None = None

    def playout_of(self, environ: Environ) -> str | None:
        """Return the playout id of a GET or POST to the endpoint; None if Django must answer."""
        if self._path is None or environ["REQUEST_METHOD"] not in ("GET", "POST"):
            return None
        match = self._path.fullmatch(environ.get("PATH_INFO", ""))
        if match is None or not match[1].isascii():
            return None
        try:
            return clean_playout_id(match[1])
        except InvalidPlayoutId:
            return None

    def headers(self, environ: Environ) -> Headers | None:
        """Return the headers of every answer: ours, and those of the site's middleware.

        None if the site would not serve the request: the host is not allowed, or the site redirects to https
        or to `www.`.
        """
        path = environ.get("PATH_INFO", "")
        has_cors = self._cors_paths is not None and self._cors_paths.match(path) is not None
        key = (has_cors, version_of(environ), *map(environ.get, self.names))
        headers = self._headers.get(key)
        if headers is None:
            # Remembered: saves 112 µs of a request that is not like a known one (bench.fast_paths).
            headers = self._asked(environ) if _is_served(environ) else None
            # A refused host is not remembered: clients can invent any number of hosts.
            if headers is not None:
                if len(self._headers) >= MAX_KNOWN:
                    self._headers.clear()
                self._headers[key] = headers
        return headers

    def _asked(self, environ: Environ) -> Headers:
        if self._middleware is None:
            self._middleware = _chain()
        response = self._middleware(WSGIRequest(_bare(environ)))
        added = [(name, value) for name, value in response.items() if name not in _OF_EACH_ANSWER]
        version = (VERSION_HEADER, version_of(environ) or API_VERSION)
        return [self.write(name, value) for name, value in (*_OURS, version, *added)]


_OURS = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
_OF_EACH_ANSWER = ("Content-Type", "Content-Length")


def _path_of_the_endpoint() -> re.Pattern[str] | None:
    """Return the pattern for `PATH_INFO`, with the playout as a group; None if the site has another view."""
    try:
        path = reverse("jay_sessions:tracking-session", kwargs={"playout_id": _PLACE})
        path = "/" + path.removeprefix(get_script_prefix()).lstrip("/")
        view = getattr(resolve(path).func, "view_class", None)
    except (NoReverseMatch, Resolver404):
        return None
    if view is not TrackingSessionView:
        return None
    before, _, after = path.rpartition(f"/{_PLACE}/")
    return re.compile(rf"{re.escape(before)}/([^/]+)/{re.escape(after)}/?")


def _names_of_host_and_scheme() -> tuple[str, ...]:
    names = ["HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme"]
    if settings.USE_X_FORWARDED_HOST:
        names.append("HTTP_X_FORWARDED_HOST")
    if settings.USE_X_FORWARDED_PORT:
        names.append("HTTP_X_FORWARDED_PORT")
    if settings.SECURE_PROXY_SSL_HEADER:
        names.append(settings.SECURE_PROXY_SSL_HEADER[0])
    return tuple(names)


def _is_served(environ: Environ) -> bool:
    request = WSGIRequest(_bare(environ))
    try:
        host = request.get_host()
    except DisallowedHost:
        return False
    if settings.PREPEND_WWW and not host.startswith("www."):
        return False
    return request.is_secure() or not settings.SECURE_SSL_REDIRECT


def _chain() -> Callable[[WSGIRequest], HttpResponseBase]:
    handler: Callable[[WSGIRequest], HttpResponseBase] = lambda request: HttpResponse()  # noqa: E731
    for path in reversed(settings.MIDDLEWARE):
        if path in ASKED:
            handler = import_string(path)(handler)
    return handler


def _bare(environ: Environ) -> Environ:
    # Without cookies and other headers of this one client.
    kept = _names_of_host_and_scheme()
    of_all = {
        name: value
        for name, value in environ.items()
        if name in kept or not (name.startswith("HTTP_") or name == "CONTENT_TYPE")
    }
    return {**of_all, "wsgi.input": io.BytesIO()}
