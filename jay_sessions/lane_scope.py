"""ASGI's scope as the WSGI environ that the fast lane reads."""

from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest

from .lane_site import Environ


class ScopeReader:
    """Reads what the lane looks at; `names` are those of its headers, and others, in an environ."""

    def __init__(self, names: Iterable[str]) -> None:
        self._name_of = {_header_of(name): name for name in names if _is_of_a_header(name)}.get
        self._is_below_a_path = bool(settings.FORCE_SCRIPT_NAME)

    def environ_of(self, scope: Mapping[str, Any]) -> Environ:
        """Return the environ of a scope of the type `http`, with the values of Django's own META.

        See https://asgi.readthedocs.io/en/latest/specs/www.html#http-connection-scope.
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
        name_of, by_django = self._name_of, self._is_below_a_path or scope.get("root_path")
        for header, value in scope["headers"]:
            name = name_of(header)
            if name is not None:
                by_django = by_django or name in environ
                environ[name] = value.decode("latin-1")
        if by_django:
            # A header twice, or a site below a path: Django's versions differ in what they make of it.
            environ.update(_read_by_django(scope))
        return environ


def _is_of_a_header(name: str) -> bool:
    return name.startswith("HTTP_") or name == "CONTENT_LENGTH"


def _header_of(name: str) -> bytes:
    return name.removeprefix("HTTP_").replace("_", "-").lower().encode()


def _read_by_django(scope: Mapping[str, Any]) -> Environ:
    # Not what else it would read, and can fail to.
    headers = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
    meta = ASGIRequest({**scope, "query_string": b"", "headers": headers}, BytesIO()).META
    return {name: value for name, value in meta.items() if _is_of_a_header(name) or name == "PATH_INFO"}
