"""The tracking endpoints: everything under `/playouts/{playout_id}/tracking/`."""

import functools
from typing import Any, cast

from django.db import router
from django.http import HttpRequest
from django.utils.decorators import method_decorator
from django.views.decorators.common import no_append_slash
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer, ValidationError

from ... import conf, ending, http, sessions
from ...core.identifiers import clean_playout_id, clean_zephr_session_id
from ...database.connections import is_grouped
from ...exceptions import InvalidUserId, InvalidZephrSessionId
from ...models import TrackingSession
from ...models.grants import Scope
from ..errors import BadParameter
from ..parsers import USER_ID, ZEPHR_SESSION_ID
from ..permissions import GoodOrigin, HasScope, MayUsePlayout
from ..request import last_value, raw_query
from ..serializers import StartSessionSerializer, TrackingSessionSerializer
from ..versioning import API_VERSION, VERSION_HEADER, HeaderVersioning, version_of
from .base import JayView

ENDED = "The tracking session has ended."
NONE_ENDED = "No tracking session was ended."


class TrackingView(JayView):
    """The base of all endpoints under a playout."""

    permission_classes = [HasScope, MayUsePlayout, GoodOrigin]
    versioning_class = HeaderVersioning

    def borrows_connections(self, request: HttpRequest) -> bool:
        """Borrow under WSGI, too, if starts and look-ups share connections: then a thread needs none itself.

        With Django's default `CONN_MAX_AGE`, a thread's own connection would be a new one for each request.
        """
        return super().borrows_connections(request) or is_grouped(router.db_for_write(TrackingSession))

    @property
    def default_response_headers(self) -> dict[str, str]:
        version = version_of(self.request.META) or API_VERSION
        return {**super().default_response_headers, VERSION_HEADER: version}


class TrackingSessionView(TrackingView):
    """`tracking/session`: POST creates a session, GET reads the client's own, DELETE ends it."""

    scope = Scope.TRACKING
    serializer_class = TrackingSessionSerializer
    start_serializer_class = StartSessionSerializer

    def post(self, request: Request, **kwargs: Any) -> Response:
        body = cast(dict[str, Any], request.data)
        playout_id = self.path_parameter("playout_id", clean_playout_id)
        place, user_id = self._given(request, body, USER_ID)
        zephr_session_id = self._zephr_session_id(request, body)
        try:
            started = sessions.start(
                playout_id,
                user_id,
                api_key=self.api_key,
                zephr_session_id=zephr_session_id,
                anonymous=http.has_gpc(request.META),
            )
        except InvalidUserId as error:
            raise BadParameter.of((place, USER_ID), error) from error
        response = Response({"data": _serializer(self.serializer_class).to_representation(started.token)})
        http.send(response, started.encoded)
        return response

    def get(self, request: Request, **kwargs: Any) -> Response:
        playout_id = self.path_parameter("playout_id", clean_playout_id)
        token = sessions.with_provider(sessions.read(http.received(request.META)), playout_id)
        return Response({"data": _serializer(self.serializer_class).to_representation(token)})

    def delete(self, request: Request, **kwargs: Any) -> Response:
        self.path_parameter("playout_id", clean_playout_id)
        may_end = None if self.api_key.may_use_all() else self.api_key.may_use
        ends = ending.end_tokens(http.received(request.META), may_end)
        response = Response({"data": {"message": ENDED if ends.now or ends.before else NONE_ENDED}})
        http.delete(response)
        return response

    def _given(self, request: Request, body: dict[str, Any], name: str) -> tuple[str, str | None]:
        in_query = last_value(raw_query(request._request), name)
        field = _serializer(self.start_serializer_class).fields[name]
        for place, given in (("query", in_query), ("body", body.get(name))):
            try:
                value: str | None = field.run_validation(given)
            except ValidationError as error:
                problem = cast(Any, error.detail)[0]
                raise BadParameter((place, name), problem.code, str(problem)) from error
            if value is not None:
                return place, value
        return place, None

    def _zephr_session_id(self, request: Request, body: dict[str, Any]) -> str | None:
        zephr = conf.get().zephr
        if zephr is None or not zephr.link_sessions:
            return None
        _, given = self._given(request, body, ZEPHR_SESSION_ID)
        if given is not None:
            return given
        try:
            return clean_zephr_session_id(http.cookie(request.META, zephr.session_cookie_name).strip())
        except InvalidZephrSessionId:
            # The client did not ask for it: a browser sends every cookie by itself.
            return None


@functools.cache
def _serializer(serializer_class: type[Serializer]) -> Any:
    # One for all requests: a new serializer copies all fields, and this one stores nothing of a request.
    return serializer_class()


@method_decorator(no_append_slash, name="dispatch")
class UnknownPathView(TrackingView):
    """Every other path below `tracking/`: 404 in the API's own form, before any other check."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound
