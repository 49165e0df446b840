"""What all endpoints share: the app brings its own policies, whatever the site's `REST_FRAMEWORK` says."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, cast

from django.db import connections, transaction
from django.http import HttpRequest
from rest_framework.exceptions import AuthenticationFailed, NotAcceptable, Throttled
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder
from rest_framework.versioning import BaseVersioning
from rest_framework.views import APIView

from ..exceptions import InvalidValue
from ..grants import Scope
from ..models import ApiKey
from . import handover
from .authentication import ApiKeyAuthentication
from .errors import BadParameter, exception_handler
from .parsers import StrictFormParser, StrictJSONParser, StrictMultiPartParser
from .permissions import GoodOrigin, HasScope
from .request import BoundedRequest, raw_path
from .throttling import AddressThrottle, ApiKeyThrottle

API_VERSION = "2025-09-02"
VERSION_HEADER = "X-API-Version"


_encoder = JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def render(data: Any) -> bytes:
    """Return the data as it is answered."""
    return _encoder.encode(data).encode()


class AsciiJSONRenderer(JSONRenderer):
    """Compact JSON in ASCII: what Zephr sends may hold characters that UTF-8 cannot."""

    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None
    ) -> bytes:
        return b"" if data is None else render(data)


class AlwaysJSON(BaseContentNegotiation):
    """Every answer is JSON, whatever `Accept` or `?format=` ask for."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        given = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == given), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class HeaderVersioning(BaseVersioning):
    """The version in `X-API-Version`; without one, the current."""

    def determine_version(self, request: Request, *args: Any, **kwargs: Any) -> str:
        """Raise NotAcceptable for a version that is not served."""
        if request.META.get("HTTP_X_API_VERSION", "").strip() not in ("", API_VERSION):
            raise NotAcceptable
        return API_VERSION


class JayView(APIView):
    """An endpoint. A subclass names its `scope` and, if it has versions, its `versioning_class`.

    `logged_path` stands in the log for a path that must not.
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

    @property
    def api_key(self) -> ApiKey:
        """The key that the request was authenticated with."""
        return cast(ApiKey, self.request.auth)

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Keep `ATOMIC_REQUESTS` away: it would commit only after the answer was decided upon."""
        view = super().as_view(**initkwargs)
        for alias in connections:
            view = transaction.non_atomic_requests(alias)(view)
        return view

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        return BoundedRequest(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check in the contract's order; OPTIONS needs no key."""
        request.version, request.versioning_scheme = self.determine_version(request, *args, **kwargs)
        if request.method != "OPTIONS":
            try:
                self.perform_authentication(request)
            except AuthenticationFailed:
                self.check_anonymous_throttle(request)
                raise
            self.check_permissions(request)
            self.check_throttles(request)
            found = handover.of(request)
            if found is not None and found.error is not None:
                raise found.error

    def check_anonymous_throttle(self, request: Request) -> None:
        """Raise Throttled for an address that has sent too many requests without a valid key."""
        throttle = AddressThrottle()
        if not throttle.allow_request(request, self):
            raise Throttled(throttle.wait())

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        return Response(status=204, headers={"Allow": ", ".join(self.allowed_methods)})

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response]:
        return exception_handler

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {"Cache-Control": "no-store"}

    def path_parameter(self, name: str, clean: Callable[[Any], str]) -> str:
        """Return a parameter of the path, cleaned. Raises BadParameter.

        Django has replaced bytes that are no UTF-8, so the path itself is asked for them.
        """
        try:
            raw_path(self.request).decode()
        except UnicodeDecodeError as error:
            raise BadParameter(("path", name), "string_unicode", "String should be valid UTF-8.") from error
        try:
            return clean(self.kwargs[name])
        except InvalidValue as error:
            raise BadParameter.of(("path", name), error) from error
