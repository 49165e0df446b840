"""ASGI's scope as the WSGI environ that the fast lane reads."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from django.core.handlers.asgi import ASGIRequest, get_script_prefix

from .lane_site import Environ

MAX_KNOWN = 256
MAX_NAME = 64

_names: dict[bytes, str] = {}


def environ_of(scope: Mapping[str, Any]) -> Environ:
    """Return the environ of a scope of the type `http`.

    Its names are those of Django's own META for the scope, and so are their values. See
    https://asgi.readthedocs.io/en/latest/specs/www.html#http-connection-scope.
    """
    server = scope.get("server") or ("unknown", 0)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": scope["path"],
        "QUERY_STRING": scope.get("query_string", b"").decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.url_scheme": scope.get("scheme") or "http",
    }
    names, headers, without = _names, scope["headers"], len(environ)
    for name, value in headers:
        environ[names.get(name) or _name_of(name)] = value.decode("latin-1")
    if len(environ) != without + len(headers) or get_script_prefix(scope):
        # A header came twice, or the site is below a path: Django's versions differ in what they make of it.
        environ.update(_read_by_django(scope))
    # A name with an underscore, which could pass for another one.
    environ.pop(_LEFT_OUT, None)
    return environ


_LEFT_OUT = "-"


def _name_of(header: bytes) -> str:
    text = header.decode("latin-1")
    name = text.upper().replace("-", "_")
    if "_" in text:
        name = _LEFT_OUT
    elif text not in ("content-length", "content-type"):
        name = f"HTTP_{name}"
    if len(_names) < MAX_KNOWN and len(header) <= MAX_NAME:
        _names[header] = name
    return name


def _read_by_django(scope: Mapping[str, Any]) -> Environ:
    # Not what else it would read, and can fail to.
    headers = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
    meta = ASGIRequest({**scope, "query_string": b"", "headers": headers}, BytesIO()).META
    return {name: value for name, value in meta.items() if name.startswith("HTTP_") or name in _OF_DJANGO}


_OF_DJANGO = ("PATH_INFO", "CONTENT_LENGTH")
