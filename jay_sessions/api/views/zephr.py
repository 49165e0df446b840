"""`GET /v3/sessions/{id}`: the Zephr session, as Zephr sends it."""

from rest_framework.request import Request
from rest_framework.response import Response

from ...exceptions import InvalidValue, ZephrBusy, ZephrCircuitOpen
from ...http import is_asgi
from ...models.grants import Scope
from ...zephr import gateway
from ...zephr.gateway import LookupResult, Source
from ..errors import BadParameter
from .base import JayView

CACHE = "jay_sessions"
"""Our name in `Cache-Status`."""


class ZephrSessionView(JayView):
    """The proxy: a session has no envelope, an error has the API's own."""

    scope = Scope.ZEPHR
    logged_path = "/v3/sessions/{id}"  # with the whole id, a reader of the log could use the session

    def get(self, request: Request, **kwargs: str) -> Response:
        session_id = self.path_parameter("id", str)
        try:
            # Under ASGI, each request has its own thread.
            answer = gateway.look_up(session_id, own_thread=is_asgi(request.META))
        except InvalidValue as error:
            raise BadParameter.of(("path", "id"), error) from error
        return Response(answer.session.raw, headers=_origin(answer))


def _origin(answer: LookupResult) -> dict[str, str]:
    status = {"Cache-Status": f"{CACHE}; {_cache_status(answer)}"}
    # RFC 9111, 5.1: with `Age`, an answer says that it came from the cache without asking the origin.
    kept = answer.source in (Source.HIT, Source.STALE)
    return {**status, "Age": str(answer.age)} if kept else status


def _cache_status(answer: LookupResult) -> str:
    # RFC 9211, 2: a hit is never forwarded. So a stale answer is a hit only if Zephr was not asked.
    if answer.source is Source.HIT:
        return f"hit; ttl={answer.ttl}"
    if answer.failure is not None:
        way = "hit" if issubclass(answer.failure, ZephrCircuitOpen | ZephrBusy) else "fwd=stale"
        return f"{way}; ttl={answer.ttl}; detail={answer.failure.code}"
    way = "fwd=stale" if answer.expired else "fwd=uri-miss"
    if answer.source is Source.SHARED:
        return f"{way}; collapsed"
    return way if answer.ttl is None else f"{way}; stored"
