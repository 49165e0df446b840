"""The fast lane for ASGI: it does in the event loop what `lane/wsgi.py` does for WSGI.

In `asgi.py`, write this line instead of Django's import of the same name:

    from jay_sessions.lane.asgi import get_asgi_application

Sessions that start at the same time share a commit, as under WSGI. But here no threads take turns, so it is
faster.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

logger = logging.getLogger("jay_sessions")

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class AsyncFastLane:
    """The fast lane around an ASGI application of the site. Django must be set up before it is made."""

    def __init__(self, application: Application) -> None:
        # Imported here, because an `asgi.py` imports this module before it sets Django up.
        from ..api import handover
        from . import answers, site

        self._handover = handover.NAME
        self._application = application
        self._responder = answers.Responder(site.as_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        environ: Mapping[str, Any] = {}
        answer = None
        try:
            environ = self._responder.requests.environ_of(scope)
            answer = await self._responder.aanswer(environ)
        except Exception:
            # Django answers the request, and reports the error if it happens there, too.
            logger.exception("The fast lane failed; the request is handed on.")
        if answer is None:
            if self._handover in environ:
                scope = {**scope, self._handover: environ[self._handover]}
            await _hand_on(self._application, scope, receive, send)
            return
        headers, body = answer
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def get_asgi_application() -> AsyncFastLane:
    """Set Django up, and return its ASGI application with the fast lane around it."""
    from django.core.asgi import get_asgi_application

    return AsyncFastLane(get_asgi_application())


async def _hand_on(application: Application, scope: Scope, receive: Receive, send: Send) -> None:
    """Call the application. If it sends no answer to an incomplete or malformed body, answer 400.

    Django sends none: it takes the end of such a body for a client that has left. Most servers refuse a
    malformed body themselves, but Granian would answer 500 to a client that is still connected.
    """
    has_body, is_answered = True, False

    async def watched_receive() -> Mapping[str, Any]:
        nonlocal has_body
        message = await receive()
        if message["type"] == "http.request":
            has_body = message.get("more_body", False)
        return message

    async def watched_send(message: Mapping[str, Any]) -> None:
        nonlocal is_answered
        is_answered = True
        await send(message)

    await application(scope, watched_receive, watched_send)
    if has_body and not is_answered:
        await send({"type": "http.response.start", "status": 400, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
