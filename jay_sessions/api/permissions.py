"""What a key may do: its scopes, then its playouts."""

from typing import Any, cast

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from ..models import ApiKey


class HasScope(BasePermission):
    """The key has the view's `scope`."""

    code = "SCOPE_REQUIRED"

    def has_permission(self, request: Request, view: Any) -> bool:
        return cast(ApiKey, request.auth).has_scope(view.scope)


class GoodOrigin(BasePermission):
    """The page that the request comes from, if a browser names one, is among the key's origins."""

    code = "ORIGIN_FORBIDDEN"

    def has_permission(self, request: Request, view: Any) -> bool:
        return cast(ApiKey, request.auth).is_good_at(request.META.get("HTTP_ORIGIN", ""))


class MayUsePlayout(BasePermission):
    """One of the key's patterns matches the playout in the path."""

    code = "PLAYOUT_FORBIDDEN"

    def has_permission(self, request: Request, view: Any) -> bool:
        return cast(ApiKey, request.auth).may_use(view.kwargs["playout_id"])
