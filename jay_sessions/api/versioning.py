"""The version of the contract that a request asks for."""

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import NotAcceptable
from rest_framework.request import Request
from rest_framework.versioning import BaseVersioning

API_VERSION = "2025-09-02"
VERSIONS = ("2025-08-04", "2025-08-27", API_VERSION)
"""The versions that are served; all give the same answers."""
VERSION_HEADER = "X-API-Version"


def version_of(meta: Mapping[str, Any]) -> str | None:
    """Return the version that a request asks for; None if that is not served.

    `meta` is the request's `META`. A request without a version gets the current one.
    """
    asked: str = meta.get("HTTP_X_API_VERSION", "").strip() or API_VERSION
    return asked if asked in VERSIONS else None


class HeaderVersioning(BaseVersioning):
    """The version in `X-API-Version`; without the header, the current one."""

    def determine_version(self, request: Request, *args: Any, **kwargs: Any) -> str:
        """Raise NotAcceptable for a version that is not served."""
        version = version_of(request.META)
        if version is None:
            raise NotAcceptable
        return version
