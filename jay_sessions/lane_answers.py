"""What the fast lane answers itself, and which requests are so ordinary that it may."""

import datetime
import logging
from collections.abc import Callable
from typing import NamedTuple

from asgiref.sync import sync_to_async
from django.core.signals import setting_changed
from django.db import connections

from . import carriers, conf, cores, gpc, key_cache, sessions, throttles
from .api import handover
from .api.base import API_VERSION
from .api.handover import Handover
from .api.parsers import USER_ID, ZEPHR_SESSION_ID
from .api.request import last_value
from .api.serializers import rendered
from .exceptions import InvalidUserId, JaySessionsError
from .grants import Scope
from .lane_site import Environ, Header, Headers, Site, as_text, unaccounted
from .models import ApiKey
from .signals import session_started
from .store import close_if_old
from .tokens import Token

logger = logging.getLogger("jay_sessions")


class _Call(NamedTuple):
    """An ordinary request, as far as it is known before anything is done for it."""

    is_post: bool
    playout_id: str
    key: ApiKey
    user_id: str
    site: Site
    headers: Headers

    def answer(self, token: Token, headers: list[tuple[str, str]]) -> tuple[Headers, bytes]:
        write, body = self.site.write, rendered(token)
        of_this = [write(name, value) for name, value in headers]
        if self.site.adds_length:
            of_this.append(write("Content-Length", str(len(body))))
        return [*self.headers, *of_this], body


class Answers:
    """The answers to a site's ordinary requests.

    Both methods return headers and body of a 200; None where the request is Django's. What was found out
    by then stands in the environ (see `api/handover.py`).
    """

    def __init__(self, write: Callable[[str, str], Header] = as_text) -> None:
        self._write = write
        self._site: Site | None = Site(write)
        setting_changed.connect(self._forget_site)
        if past := unaccounted():
            logger.warning("The answers of the fast lane go past %s.", ", ".join(past))

    def answer(self, environ: Environ) -> tuple[Headers, bytes] | None:
        """For a thread, which waits for the database."""
        call = self._call(environ)
        return None if call is None else _in_thread(environ, call)

    async def answer_in_loop(self, environ: Environ) -> tuple[Headers, bytes] | None:
        """For a task of an event loop, which is not held up."""
        call = self._call(environ)
        if call is None:
            return None
        if conf.get().is_grouped:
            return await _in_loop(environ, call)
        return await sync_to_async(_in_thread, thread_sensitive=False)(environ, call)

    def _call(self, environ: Environ) -> _Call | None:
        cores.settle()
        if self._site is None:
            self._site = Site(self._write)
        site = self._site
        playout_id = site.playout_of(environ)
        if playout_id is None or not _is_ordinary(environ):
            return None
        is_post = environ["REQUEST_METHOD"] == "POST"
        try:
            user_id = (last_value(_query(environ), USER_ID) or b"").decode() if is_post else ""
        except UnicodeDecodeError:
            return None
        headers, key = site.headers(environ), _key(environ, playout_id)
        if headers is None or key is None:
            return None
        return _Call(is_post, playout_id, key, user_id, site, headers)

    def _forget_site(self, **kwargs: object) -> None:
        self._site = None


def _in_thread(environ: Environ, call: _Call) -> tuple[Headers, bytes] | None:
    if conf.get().is_grouped and not session_started.receivers:
        # Nothing of it uses a connection of this thread.
        return _made(environ, call)
    _close_old_connections()
    try:
        return _made(environ, call)
    finally:
        _close_old_connections()


def _made(environ: Environ, call: _Call) -> tuple[Headers, bytes] | None:
    if _is_throttled(environ, throttles.hit_by_key(call.key.id)):
        return None
    try:
        if call.is_post:
            anonymous = gpc.is_asked(environ)
            started = sessions.start(call.playout_id, call.user_id, api_key=call.key, anonymous=anonymous)
            return call.answer(started.token, carriers.headers(started.encoded))
        token = sessions.read(carriers.received(environ))
        return call.answer(sessions.with_provider(token, call.playout_id), [])
    except JaySessionsError as error:
        _hand_on(environ, error)
        return None


async def _in_loop(environ: Environ, call: _Call) -> tuple[Headers, bytes] | None:
    # As `_made`, word for word, with what is awaited.
    if _is_throttled(environ, await throttles.ahit_by_key(call.key.id)):
        return None
    try:
        if call.is_post:
            anonymous = gpc.is_asked(environ)
            started = await sessions.start_in_loop(
                call.playout_id, call.user_id, api_key=call.key, anonymous=anonymous
            )
            return call.answer(started.token, carriers.headers(started.encoded))
        token = await sessions.read_in_loop(carriers.received(environ))
        return call.answer(sessions.with_provider(token, call.playout_id), [])
    except JaySessionsError as error:
        _hand_on(environ, error)
        return None


def _is_ordinary(environ: Environ) -> bool:
    """Say whether a request has nothing about it that only the views know how to treat."""
    settings = conf.get()
    if settings.provider_resolver is not None or "HTTP_ORIGIN" in environ:
        return False
    if environ.get("HTTP_X_API_VERSION", "").strip() not in ("", API_VERSION):
        return False
    length = environ.get("CONTENT_LENGTH", "")
    # HTTP/2 needs no length to send a body.
    bodiless = length == "0" or (length == "" and environ.get("SERVER_PROTOCOL", "").startswith("HTTP/1."))
    if not bodiless or "HTTP_TRANSFER_ENCODING" in environ:
        return False
    zephr = settings.zephr
    if zephr is None or not zephr.link_sessions:
        return True
    named = last_value(_query(environ), ZEPHR_SESSION_ID) is not None
    return not named and zephr.session_cookie_name not in environ.get("HTTP_COOKIE", "")


def _key(environ: Environ, playout_id: str) -> ApiKey | None:
    """Return the key, if this process knows it and nothing is to be written or refused."""
    key, now = key_cache.known(environ.get("HTTP_X_API_KEY", "").strip()), datetime.datetime.now(datetime.UTC)
    if key is None or not key.is_live(now) or not key.use_is_noted(now):
        return None
    return key if key.has_scope(Scope.TRACKING) and key.may_use(playout_id) else None


def _query(environ: Environ) -> bytes:
    query: str = environ.get("QUERY_STRING", "")
    return query.encode("latin-1")


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
