"""The fast lane for ASGI: what `lane.py` is for WSGI, in the event loop itself.

    application = AsyncFastLane(get_asgi_application())

Tasks that start sessions at the same time share a commit, as threads do under WSGI; but here nothing has
to take turns for it, and that makes it the faster one.
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
    """Wraps the ASGI application of a Django site, which `get_asgi_application()` has set up by then."""

    def __init__(self, application: Application) -> None:
        # Not above: an `asgi.py` imports this module before there are settings.
        from . import lane_answers, lane_site
        from .api import handover

        self._handover = handover.NAME
        self._application = application
        self._answers = lane_answers.Answers(lane_site.as_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        environ: Mapping[str, Any] = {}
        answer = None
        if scope["type"] == "http":
            try:
                environ = self._answers.requests.environ_of(scope)
                answer = await self._answers.answer_in_loop(environ)
            except Exception:
                # Django answers it, and reports what is wrong there as well.
                logger.exception("The fast lane failed; the request is handed on.")
        if answer is None:
            if self._handover in environ:
                scope = {**scope, self._handover: environ[self._handover]}
            await self._application(scope, receive, send)
            return
        headers, body = answer
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
