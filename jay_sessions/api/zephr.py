"""`GET /v3/sessions/{id}`: the Zephr session, as Zephr sends it."""

from rest_framework.request import Request
from rest_framework.response import Response

from ..exceptions import InvalidValue
from ..grants import Scope
from ..zephr import gateway
from .base import JayView
from .errors import BadParameter


class ZephrSessionView(JayView):
    """The proxy: no envelope around a session, the API's own envelope around an error."""

    scope = Scope.ZEPHR
    logged_path = "/v3/sessions/{id}"  # whoever holds the whole id may be that session

    def get(self, request: Request, **kwargs: str) -> Response:
        session_id = self.path_parameter("id", str)
        try:
            session = gateway.get_session(session_id)
        except InvalidValue as error:
            raise BadParameter.of(("path", "id"), error) from error
        return Response(session.raw)
