"""A constant answer of the size of a real one: what the web server itself allows."""

import base64
import json
from collections.abc import Callable, Iterable
from typing import Any

_SESSION = {
    "session_id": "01983f5e-9d1c-7b2a-8f43-6c1d2e3f4a5b",
    "start_time": "2026-01-15T14:30:24.123456",
    "source": "jay.api.playout.1.0.0",
    "user_id": "user-001234",
    "provider_name": "netflix",
    "signature": base64.b64encode(bytes(32)).decode(),
}
_TOKEN = base64.b64encode(json.dumps(_SESSION).encode()).decode()
_BODY = json.dumps(
    {
        "data": {
            "sessionId": _SESSION["session_id"],
            "startTime": _SESSION["start_time"],
            "source": _SESSION["source"],
            "userId": _SESSION["user_id"],
            "providerName": _SESSION["provider_name"],
        }
    }
).encode()
_HEADERS = [
    ("Content-Type", "application/json"),
    ("Content-Length", str(len(_BODY))),
    ("Cache-Control", "no-store"),
    ("X-API-Version", "2025-09-02"),
    ("X-JAY-TRACKING", _TOKEN),
    ("Set-Cookie", f"__Secure-jay_tracking={_TOKEN}; HttpOnly; Path=/; SameSite=Lax; Secure"),
]


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", _HEADERS)
    return [_BODY]
