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

from . import carriers, sessions
from .exceptions import JaySessionsError
from .tokens import Token

logger = logging.getLogger("jay_sessions")

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]

_CARRIERS = ("Cookie", carriers.HEADER)


class RequestSession:
    """What `GET` would say of a request's token; looked up at the first use, and only then.

    False where the request carries no valid session; then every attribute is None. Whatever the client
    sends, using it raises nothing; where the database is away there is no session, and the log says so.
    In an async view, `await request.atracking_session()` comes first, else SynchronousOnlyOperation
    is raised, as by Django's own database calls.
    """

    def __init__(self, meta: Mapping[str, Any]) -> None:
        self._meta = meta

    @functools.cached_property
    def token(self) -> Token | None:
        """What the session says of itself."""
        return _read(self._meta)

    def __bool__(self) -> bool:
        return self.token is not None

    @property
    def session_id(self) -> str | None:
        """The id, as `POST` answered it."""
        return None if self.token is None else self.token.session_id

    @property
    def start_time(self) -> datetime.datetime | None:
        """When it started: aware, in UTC."""
        return None if self.token is None else self.token.start_time

    @property
    def source(self) -> str | None:
        """Who issued it."""
        return None if self.token is None else self.token.source

    @property
    def user_id(self) -> str | None:
        """Whom it was started for; None where that was not said."""
        return None if self.token is None else self.token.user_id

    @property
    def provider_name(self) -> str | None:
        """The provider of the playout that it was started on; None where that names none."""
        return None if self.token is None else self.token.provider_name

    async def aload(self) -> "RequestSession":
        """Look it up, and return itself."""
        await sync_to_async(lambda: self.token)()
        return self

    def vary(self, response: HttpResponseBase) -> HttpResponseBase:
        """Tell caches what the answer hangs on, if anybody has used the session for it."""
        if "token" in self.__dict__:
            patch_vary_headers(response, _CARRIERS)
        return response


@async_unsafe("In an async view, write: await request.atracking_session()")
def _read(meta: Mapping[str, Any]) -> Token | None:
    try:
        return sessions.read(carriers.received(meta))
    except JaySessionsError:
        return None
    except Exception:
        # The page that asks has more to show than this.
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
