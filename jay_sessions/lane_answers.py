"""What the fast lane answers itself, and which requests are so ordinary that it may."""

from collections.abc import Callable
from typing import NamedTuple

from django.core.signals import setting_changed
from django.db import connections
from django.utils import timezone

from . import carriers, conf, gpc, key_cache, sessions, throttles
from .api import handover
from .api.base import API_VERSION, VERSION_HEADER
from .api.handover import Handover
from .api.parsers import USER_ID, ZEPHR_SESSION_ID
from .api.request import last_value
from .api.serializers import rendered
from .exceptions import InvalidUserId, JaySessionsError
from .grants import Scope
from .lane_site import Environ, Headers, Site
from .models import ApiKey
from .signals import session_started
from .store import close_if_old
from .tokens import Token

_HEADERS = [
    ("Content-Type", "application/json"),
    (VERSION_HEADER, API_VERSION),
    ("Cache-Control", "no-store"),
]


class _Answer(NamedTuple):
    token: Token
    headers: Headers


class Answers:
    """The answers to a site's ordinary requests."""

    def __init__(self) -> None:
        self._site: Site | None = Site()
        setting_changed.connect(self._forget_site)

    def answer(self, environ: Environ) -> tuple[Headers, bytes] | None:
        """Return headers and body of a 200; None where the request is Django's.

        What was found out by then stands in the environ (see `api/handover.py`).
        """
        if self._site is None:
            self._site = Site()
        site = self._site
        playout_id = site.playout_of(environ)
        if playout_id is None or not _is_ordinary(environ):
            return None
        headers, key = site.headers(environ), _key(environ, playout_id)
        if headers is None or key is None:
            return None
        answer_to = _METHODS[environ["REQUEST_METHOD"]]
        if conf.get().recorder == "group" and not session_started.receivers:
            # Nothing of it uses a connection of this thread.
            answer = answer_to(environ, playout_id, key)
        else:
            _close_old_connections()
            try:
                answer = answer_to(environ, playout_id, key)
            finally:
                _close_old_connections()
        if answer is None:
            return None
        body = rendered(answer.token)
        length = [("Content-Length", str(len(body)))] if site.adds_length else []
        return [*_HEADERS, *answer.headers, *headers, *length], body

    def _forget_site(self, **kwargs: object) -> None:
        self._site = None


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
    key, now = key_cache.known(environ.get("HTTP_X_API_KEY", "").strip()), timezone.now()
    if key is None or not key.is_live(now) or not key.use_is_noted(now):
        return None
    return key if key.has_scope(Scope.TRACKING) and key.may_use(playout_id) else None


def _query(environ: Environ) -> bytes:
    query: str = environ.get("QUERY_STRING", "")
    return query.encode("latin-1")


def _post(environ: Environ, playout_id: str, key: ApiKey) -> _Answer | None:
    try:
        user_id = (last_value(_query(environ), USER_ID) or b"").decode()
    except UnicodeDecodeError:
        return None
    if not _is_within_rate(environ, key):
        return None
    try:
        started = sessions.start(playout_id, user_id, api_key=key, anonymous=gpc.is_asked(environ))
    except InvalidUserId:
        environ[handover.NAME] = Handover()
        return None
    except JaySessionsError as error:
        environ[handover.NAME] = Handover(error=error)
        return None
    return _Answer(started.token, carriers.headers(started.encoded))


def _get(environ: Environ, playout_id: str, key: ApiKey) -> _Answer | None:
    if not _is_within_rate(environ, key):
        return None
    try:
        token = sessions.read(carriers.received(environ))
        return _Answer(sessions.with_provider(token, playout_id), [])
    except JaySessionsError as error:
        environ[handover.NAME] = Handover(error=error)
        return None


def _is_within_rate(environ: Environ, key: ApiKey) -> bool:
    wait = throttles.hit_by_key(key.pk)
    if wait is not None:
        environ[handover.NAME] = Handover(wait=wait)
    return wait is None


_METHODS: dict[str, Callable[[Environ, str, ApiKey], _Answer | None]] = {"GET": _get, "POST": _post}


def _close_old_connections() -> None:
    for connection in connections.all(initialized_only=True):
        close_if_old(connection)
