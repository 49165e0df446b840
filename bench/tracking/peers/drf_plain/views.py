import base64
import json
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from .serializers import SessionSerializer, TokenSerializer, envelope

SOURCE = "jay.api.playout.1.0.0"
COOKIE, HEADER = "__Secure-jay_tracking", "X-JAY-TRACKING"
NO_SESSION = {
    "error": {
        "code": 1001,
        "message": "No tracking session found or session data is invalid",
        "details": "TRACKING_NOT_VALID",
    }
}


class SessionView(APIView):
    def post(self, request: Request, playout_id: str) -> Response:
        given = {"playout_id": playout_id, "user_id": request.query_params.get("user_id")}
        serializer = SessionSerializer(data=given)
        serializer.is_valid(raise_exception=True)
        row = serializer.save(source=SOURCE, provider_name=playout_id.partition("-")[0])
        session: dict[str, Any] = {
            "session_id": str(row.session_id),
            "start_time": row.started_at.replace(tzinfo=None).isoformat(timespec="microseconds"),
            "source": row.source,
            "provider_name": row.provider_name,
        }
        if row.user_id is not None:
            session["user_id"] = row.user_id
        token = base64.b64encode(json.dumps(session).encode()).decode()
        response = Response(envelope(session), headers={HEADER: token})
        response.set_cookie(COOKIE, token, path="/", secure=True, httponly=True, samesite="Lax")
        return response

    def get(self, request: Request, playout_id: str) -> Response:
        token = request.COOKIES.get(COOKIE) or request.headers.get(HEADER) or ""
        try:
            serializer = TokenSerializer(data=json.loads(base64.b64decode(token, validate=True)))
        except ValueError:
            return Response(NO_SESSION, status=400)
        if not serializer.is_valid():
            return Response(NO_SESSION, status=400)
        return Response(envelope(serializer.validated_data))
