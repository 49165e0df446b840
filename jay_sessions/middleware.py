"""`request.tracking_session`: the tracking session that a request to the site's own views carries.

MIDDLEWARE += ["jay_sessions.middleware.TrackingSessionMiddleware"]
"""

import datetime
import functools
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.asyncio import async_unsafe
from django.utils.cache import patch_vary_headers

from . import http, sessions
from .core.secret_text import Secret
from .core.tokens import Token
from .exceptions import JaySessionsError

logger = logging.getLogger("jay_sessions")

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]

_CARRIERS = ("Cookie", http.HEADER)


class RequestSession:
    """The tracking session of a request, as `GET` would report it. It is looked up at the first use.

    It is false if the request carries no valid session; then every attribute is None. No request makes
    it raise. If the database is unavailable there is no session, and the log says so. In an async view,
    call `await request.atracking_session()` first; otherwise SynchronousOnlyOperation is raised, as by
    Django's own database calls.
    """

    def __init__(self, meta: Mapping[str, Any]) -> None:
        self._meta = meta

    @functools.cached_property
    def token(self) -> Token | None:
        """The session's token, or None."""
        return _read(self._meta)

    def __bool__(self) -> bool:
        return self.token is not None

    @property
    def session_id(self) -> str | None:
        """The session's id, as in the answer to `POST`."""
        return None if self.token is None else self.token.session_id

    @property
    def start_time(self) -> datetime.datetime | None:
        """The time at which the session started: aware, in UTC."""
        return None if self.token is None else self.token.start_time

    @property
    def source(self) -> str | None:
        """The API that issued it (setting `SOURCE`)."""
        return None if self.token is None else self.token.source

    @property
    def user_id(self) -> Secret | None:
        """The user's id, as a `str` with a masked `repr`; None if the session has no user."""
        user_id = None if self.token is None else self.token.user_id
        return None if user_id is None else Secret(user_id)

    @property
    def provider_name(self) -> str | None:
        """The content provider of the session's playout; None if the playout names no provider."""
        return None if self.token is None else self.token.provider_name

    async def aload(self) -> "RequestSession":
        """Look the session up, and return this object."""
        await sync_to_async(lambda: self.token)()
        return self

    def vary(self, response: HttpResponseBase) -> HttpResponseBase:
        """Add `Vary` for caches to the response, if the session was used. Return the response."""
        if "token" in self.__dict__:
            patch_vary_headers(response, _CARRIERS)
        return response


@async_unsafe("In an async view, write: await request.atracking_session()")
def _read(meta: Mapping[str, Any]) -> Token | None:
    try:
        return sessions.read(http.received(meta))
    except JaySessionsError:
        return None
    except Exception:
        # The site's page must not fail because of this.
        logger.exception("The tracking session of a request could not be read.")
        return None


class TrackingSessionMiddleware:
    """Puts `tracking_session` and, for async views, `atracking_session()` on every request."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response: Any = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        session = RequestSession(request.META)
        request.tracking_session = session  # type: ignore[attr-defined]
        request.atracking_session = session.aload  # type: ignore[attr-defined]
        return self._acall(request, session) if self._is_async else session.vary(self.get_response(request))

    async def _acall(self, request: HttpRequest, session: RequestSession) -> HttpResponseBase:
        return session.vary(await self.get_response(request))
