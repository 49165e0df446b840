"""`GET /v3/sessions/{id}`: the Zephr session, as Zephr sends it."""

from rest_framework.request import Request
from rest_framework.response import Response

from ..exceptions import InvalidValue, ZephrCircuitOpen
from ..grants import Scope
from ..zephr import gateway
from ..zephr.gateway import Answer, Source
from .base import JayView
from .errors import BadParameter

CACHE = "jay_sessions"
"""What we are called in `Cache-Status`."""


class ZephrSessionView(JayView):
    """The proxy: no envelope around a session, the API's own envelope around an error."""

    scope = Scope.ZEPHR
    logged_path = "/v3/sessions/{id}"  # whoever holds the whole id may be that session

    def get(self, request: Request, **kwargs: str) -> Response:
        session_id = self.path_parameter("id", str)
        try:
            answer = gateway.look_up(session_id)
        except InvalidValue as error:
            raise BadParameter.of(("path", "id"), error) from error
        return Response(answer.session.raw, headers=_origin(answer))


def _origin(answer: Answer) -> dict[str, str]:
    status = {"Cache-Status": f"{CACHE}; {_cache_status(answer)}"}
    # RFC 9111, 5.1: `Age` says that this very request did not ask the origin.
    kept = answer.source in (Source.HIT, Source.STALE)
    return {**status, "Age": str(answer.age)} if kept else status


def _cache_status(answer: Answer) -> str:
    # RFC 9211, 2: a hit never went forward, so what is stale is one only where Zephr was not asked.
    if answer.source is Source.HIT:
        return f"hit; ttl={answer.ttl}"
    if answer.failure is not None:
        way = "hit" if issubclass(answer.failure, ZephrCircuitOpen) else "fwd=stale"
        return f"{way}; ttl={answer.ttl}; detail={answer.failure.code}"
    way = "fwd=stale" if answer.expired else "fwd=uri-miss"
    if answer.source is Source.SHARED:
        return f"{way}; collapsed"
    return way if answer.ttl is None else f"{way}; stored"
