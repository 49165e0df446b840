"""The base of all endpoints. It brings its own policies, whatever the site's `REST_FRAMEWORK` says."""

import contextlib
from collections.abc import Callable
from typing import Any, ClassVar, cast

from django.db import connections, transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.versioning import BaseVersioning
from rest_framework.views import APIView

from ... import http
from ...database import leases
from ...exceptions import InvalidValue, StoreUnavailable
from ...models import ApiKey
from ...models.grants import Scope
from .. import handover
from ..authentication import ApiKeyAuthentication
from ..errors import BadParameter, exception_handler
from ..negotiation import AlwaysJSON
from ..parsers import StrictFormParser, StrictJSONParser, StrictMultiPartParser
from ..permissions import GoodOrigin, HasScope
from ..renderers import AsciiJSONRenderer
from ..request import BoundedRequest, raw_path
from ..throttling import AddressThrottle, ApiKeyThrottle


def _without_body(response: Response) -> None:
    response["Content-Length"] = str(len(response.content))
    response.content = b""


class JayView(APIView):
    """An endpoint. A subclass names its `scope` and, if it has versions, its `versioning_class`.

    `logged_path` replaces a path in the log that must not be logged.
    """

    scope: ClassVar[Scope]
    logged_path: ClassVar[str | None] = None

    authentication_classes = [ApiKeyAuthentication]
    permission_classes = [HasScope, GoodOrigin]
    throttle_classes = [ApiKeyThrottle]
    parser_classes = [StrictJSONParser, StrictFormParser, StrictMultiPartParser]
    renderer_classes = [AsciiJSONRenderer]
    content_negotiation_class = AlwaysJSON
    versioning_class: type[BaseVersioning] | None = None
    metadata_class = None
    # No path ends in a format. DRF's own `initial` sets it, and without it no renderer is chosen.
    format_kwarg = None

    @property
    def api_key(self) -> ApiKey:
        """The key that the request was authenticated with."""
        return cast(ApiKey, self.request.auth)

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Switch `ATOMIC_REQUESTS` off: it would commit only after the view has chosen its answer."""
        view = super().as_view(**initkwargs)
        for alias in connections:
            view = transaction.non_atomic_requests(alias)(view)
        return view

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Let the request's thread borrow its connections, if it should (see `leases.py`)."""
        with leases.wanted() if self.borrows_connections(request) else contextlib.nullcontext():
            return super().dispatch(request, *args, **kwargs)

    def borrows_connections(self, request: HttpRequest) -> bool:
        """Say whether the request's thread should borrow its connections to the database."""
        return http.is_asgi(request.META)

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        return BoundedRequest(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Do all checks in the contract's order; OPTIONS needs no key."""
        request.version, request.versioning_scheme = self.determine_version(request, *args, **kwargs)
        if request.method != "OPTIONS":
            known = handover.of(request)
            if known is not None and isinstance(known.error, StoreUnavailable):
                # The lane knew the key. The request does not wait for a silent database a second time.
                raise known.error
            try:
                self.perform_authentication(request)
            except AuthenticationFailed:
                self.check_anonymous_throttle(request)
                raise
            self.check_permissions(request)
            self.check_throttles(request)
            if known is not None and known.error is not None:
                raise known.error

    def check_anonymous_throttle(self, request: Request) -> None:
        """Raise Throttled for an address that has sent too many requests without a valid key."""
        throttle = AddressThrottle()
        if not throttle.allow_request(request, self):
            raise Throttled(throttle.wait())

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        return Response(status=204, headers={"Allow": ", ".join(self.allowed_methods)})

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Remove the body from an answer to HEAD, as some web servers do not."""
        finalized = super().finalize_response(request, response, *args, **kwargs)
        if request.method == "HEAD":
            finalized.add_post_render_callback(_without_body)
        return finalized

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response]:
        return exception_handler

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {"Cache-Control": "no-store"}

    def path_parameter(self, name: str, clean: Callable[[Any], str]) -> str:
        """Return a parameter of the path, cleaned. Raises BadParameter.

        Django has replaced bytes that are not UTF-8, so they are looked for in the raw path.
        """
        try:
            raw_path(self.request).decode()
        except UnicodeDecodeError as error:
            raise BadParameter(("path", name), "string_unicode", "String should be valid UTF-8.") from error
        try:
            return clean(self.kwargs[name])
        except InvalidValue as error:
            raise BadParameter.of(("path", name), error) from error
