"""The fast lane's answers to ordinary requests."""

import logging
from collections.abc import Callable, Iterable

from asgiref.sync import sync_to_async
from django.core.signals import setting_changed
from django.db import connections, router

from .. import http, pinning, sessions
from ..api import handover, throttling
from ..api.handover import Handover
from ..api.parsers import USER_ID
from ..api.request import last_value
from ..core.steps import Step, Steps, arun, run
from ..core.tokens import Token
from ..database import leases
from ..database.connections import is_grouped
from ..database.errors import close_if_old
from ..exceptions import InvalidUserId, JaySessionsError
from ..models import TrackingSession
from ..signals import session_started
from . import garbage
from .body import body_of
from .ordinary import Ordinary, OrdinaryRequests
from .site import Environ, Header, Headers, as_text, unaccounted

Response = tuple[Headers, bytes]

logger = logging.getLogger("jay_sessions")


class Responder:
    """Answers a site's ordinary requests.

    Both methods return the headers and the body of a 200; None if Django must answer the request. Then the
    environ holds what the lane has found out (see `api/handover.py`).
    """

    def __init__(self, write: Callable[[str, str], Header] = as_text) -> None:
        self._write = write
        self._requests: OrdinaryRequests | None = None
        setting_changed.connect(self._forget)
        if past := unaccounted():
            logger.warning("The fast lane's answers bypass %s.", ", ".join(past))

    def answer(self, environ: Environ) -> Response | None:
        """Answer in a thread, which waits for the database."""
        pinning.settle()
        found = self.requests.find(environ)
        if found is None:
            return None
        garbage.freeze()
        steps = self._steps(environ, found)
        return run(steps) if _uses_no_connection() else _run_and_close(steps)

    async def aanswer(self, environ: Environ) -> Response | None:
        """Answer in a task. The event loop is not blocked."""
        pinning.settle()
        found = self.requests.find(environ)
        if found is None:
            return None
        garbage.freeze()
        steps = self._steps(environ, found)
        if _is_grouped():
            return await arun(steps)
        with leases.wanted():
            return await sync_to_async(_run_and_close, thread_sensitive=False)(steps)

    @property
    def requests(self) -> OrdinaryRequests:
        """Finds ordinary requests, by the site's current settings."""
        requests = self._requests
        if requests is None:
            requests = self._requests = OrdinaryRequests(self._write)
        return requests

    def _forget(self, **kwargs: object) -> None:
        self._requests = None

    def _steps(self, environ: Environ, found: Ordinary) -> Steps[Response | None]:
        wait = yield Step(throttling.hit_by_key, throttling.ahit_by_key, found.key.id)
        if wait is not None:
            environ[handover.NAME] = Handover(wait=wait)
            return None
        try:
            if found.is_post:
                user_id, anonymous = _user_id(environ), http.has_gpc(environ)
                started = yield from sessions.starting(
                    found.playout_id, user_id, found.key, anonymous=anonymous
                )
                return self._written(found, started.token, http.headers(started.encoded))
            token = yield from sessions.reading(http.received(environ))
            return self._written(found, sessions.with_provider(token, found.playout_id), ())
        except JaySessionsError as error:
            # The view reports a wrong user id, because it can give details.
            known = Handover() if isinstance(error, InvalidUserId) else Handover(error=error)
            environ[handover.NAME] = known
            return None

    def _written(self, found: Ordinary, token: Token, headers: Iterable[tuple[str, str]]) -> Response:
        write, body = self._write, body_of(token)
        written = found.headers.copy()
        for name, value in headers:
            written.append(write(name, value))
        if found.has_length:
            written.append(write("Content-Length", str(len(body))))
        return written, body


def _is_grouped() -> bool:
    return is_grouped(router.db_for_write(TrackingSession))


def _uses_no_connection() -> bool:
    """Say whether a request uses no connection of its thread."""
    return _is_grouped() and not session_started.receivers


def _user_id(environ: Environ) -> str:
    query: str = environ.get("QUERY_STRING", "")
    try:
        return (last_value(query.encode("latin-1"), USER_ID) or b"").decode()
    except UnicodeDecodeError as error:
        raise InvalidUserId("string_unicode", "String should be valid UTF-8.") from error


def _run_and_close(steps: Steps[Response | None]) -> Response | None:
    _close_old_connections()
    try:
        return run(steps)
    finally:
        _close_old_connections()


def _close_old_connections() -> None:
    for connection in connections.all(initialized_only=True):
        close_if_old(connection)
