"""What the fast lane answers to ordinary requests."""

import logging
from collections.abc import Callable, Iterable

from asgiref.sync import sync_to_async
from django.core.signals import setting_changed
from django.db import connections

from . import carriers, conf, cores, gpc, sessions, throttles
from .api import handover
from .api.handover import Handover
from .api.parsers import USER_ID
from .api.request import last_value
from .api.serializers import rendered
from .exceptions import InvalidUserId, JaySessionsError
from .lane_ordinary import Ordinary, OrdinaryRequests
from .lane_site import Environ, Header, Headers, as_text, unaccounted
from .signals import session_started
from .store import close_if_old
from .tokens import Token

Answer = tuple[Headers, bytes]

logger = logging.getLogger("jay_sessions")


class Answers:
    """The answers to a site's ordinary requests.

    Both methods return headers and body of a 200; None where the request is Django's. What was found out
    by then stands in the environ (see `api/handover.py`).
    """

    def __init__(self, write: Callable[[str, str], Header] = as_text) -> None:
        self._write = write
        self._requests: OrdinaryRequests | None = None
        setting_changed.connect(self._forget)
        if past := unaccounted():
            logger.warning("The answers of the fast lane go past %s.", ", ".join(past))

    def answer(self, environ: Environ) -> Answer | None:
        """For a thread, which waits for the database."""
        cores.settle()
        found = self.requests.find(environ)
        if found is None:
            return None
        return self._made(environ, found) if _uses_no_connection() else self._in_thread(environ, found)

    async def answer_in_loop(self, environ: Environ) -> Answer | None:
        """For a task of an event loop, which is not held up."""
        cores.settle()
        found = self.requests.find(environ)
        if found is None:
            return None
        if conf.get().is_grouped:
            return await self._made_in_loop(environ, found)
        return await sync_to_async(self._in_thread, thread_sensitive=False)(environ, found)

    @property
    def requests(self) -> OrdinaryRequests:
        """What is ordinary by the site's settings as they are now."""
        requests = self._requests
        if requests is None:
            requests = self._requests = OrdinaryRequests(self._write)
        return requests

    def _forget(self, **kwargs: object) -> None:
        self._requests = None

    def _in_thread(self, environ: Environ, found: Ordinary) -> Answer | None:
        _close_old_connections()
        try:
            return self._made(environ, found)
        finally:
            _close_old_connections()

    def _made(self, environ: Environ, found: Ordinary) -> Answer | None:
        if _is_throttled(environ, throttles.hit_by_key(found.key.id)):
            return None
        try:
            if found.is_post:
                user_id, anonymous = _user_id(environ), gpc.is_asked(environ)
                started = sessions.start(found.playout_id, user_id, api_key=found.key, anonymous=anonymous)
                return self._written(found, started.token, carriers.headers(started.encoded))
            token = sessions.read(carriers.received(environ))
            return self._written(found, sessions.with_provider(token, found.playout_id), ())
        except JaySessionsError as error:
            _hand_on(environ, error)
            return None

    async def _made_in_loop(self, environ: Environ, found: Ordinary) -> Answer | None:
        # As `_made`, word for word, with what is awaited.
        if _is_throttled(environ, await throttles.ahit_by_key(found.key.id)):
            return None
        try:
            if found.is_post:
                user_id, anonymous = _user_id(environ), gpc.is_asked(environ)
                started = await sessions.start_in_loop(
                    found.playout_id, user_id, api_key=found.key, anonymous=anonymous
                )
                return self._written(found, started.token, carriers.headers(started.encoded))
            token = await sessions.read_in_loop(carriers.received(environ))
            return self._written(found, sessions.with_provider(token, found.playout_id), ())
        except JaySessionsError as error:
            _hand_on(environ, error)
            return None

    def _written(self, found: Ordinary, token: Token, headers: Iterable[tuple[str, str]]) -> Answer:
        write, body = self._write, rendered(token)
        written = found.headers.copy()
        for name, value in headers:
            written.append(write(name, value))
        if found.has_length:
            written.append(write("Content-Length", str(len(body))))
        return written, body


def _uses_no_connection() -> bool:
    """Say whether nothing uses a connection of the thread's own."""
    return conf.get().is_grouped and not session_started.receivers


def _user_id(environ: Environ) -> str:
    query: str = environ.get("QUERY_STRING", "")
    try:
        return (last_value(query.encode("latin-1"), USER_ID) or b"").decode()
    except UnicodeDecodeError as error:
        raise InvalidUserId("string_unicode", "String should be valid UTF-8.") from error


def _is_throttled(environ: Environ, wait: int | None) -> bool:
    if wait is not None:
        environ[handover.NAME] = Handover(wait=wait)
    return wait is not None


def _hand_on(environ: Environ, error: JaySessionsError) -> None:
    # What is wrong with a user id is said by the view, which has more to say.
    known = Handover() if isinstance(error, InvalidUserId) else Handover(error=error)
    environ[handover.NAME] = known


def _close_old_connections() -> None:
    for connection in connections.all(initialized_only=True):
        close_if_old(connection)
