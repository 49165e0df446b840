"""Permissions of a key: its scopes, then its origins and playouts."""

from typing import Any, ClassVar, cast

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from ..models import ApiKey
from .errors import TABLE


class KeyPermission(BasePermission):
    """One thing that a key must allow; `code` is its name in `error.details`."""

    code: ClassVar[str]
    message = TABLE[PermissionDenied].message

    @classmethod
    def message_for(cls, view: Any) -> str:
        """Return the message for a client that may not use the view."""
        return cls.message


class HasScope(KeyPermission):
    """The key has the view's `scope`."""

    code = "SCOPE_REQUIRED"

    @classmethod
    def message_for(cls, view: Any) -> str:
        return f"This API key lacks the scope {view.scope}."

    def has_permission(self, request: Request, view: Any) -> bool:
        self.message = self.message_for(view)
        return cast(ApiKey, request.auth).has_scope(view.scope)


class GoodOrigin(KeyPermission):
    """If a browser names the page's origin, the key allows that origin."""

    code = "ORIGIN_FORBIDDEN"

    def has_permission(self, request: Request, view: Any) -> bool:
        return cast(ApiKey, request.auth).allows_origin(request.META.get("HTTP_ORIGIN", ""))


class MayUsePlayout(KeyPermission):
    """One of the key's patterns matches the playout in the path."""

    code = "PLAYOUT_FORBIDDEN"

    def has_permission(self, request: Request, view: Any) -> bool:
        return cast(ApiKey, request.auth).may_use(view.kwargs["playout_id"])
