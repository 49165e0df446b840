"""The example site's URLs, and views of the site's own that fail with a tracking session at hand."""

import logging
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest
from django.urls import path

from jay_sessions import sessions
from jay_sessions.models import TrackingSession
from project.urls import urlpatterns as example

logger = logging.getLogger("site")


def _look_up(request: Any) -> None:
    tracking, who = request.tracking_session, request.tracking_session.user_id
    token = tracking.token
    cache.set("of-the-site", {"user_id": str(who)}, 10)
    logger.warning("Somebody is here: %r, %r", token, who, extra={"request": request})
    found = TrackingSession.objects.filter(user_id=who).count()
    started = sessions.start("netflix-de", str(who))
    raise LookupError(f"{found} of {started!r}, {token!r}, {who!r}")


def fail(request: HttpRequest) -> Any:
    return _look_up(request)


async def afail(request: Any) -> Any:
    await request.atracking_session()
    token, who = request.tracking_session.token, request.tracking_session.user_id
    raise LookupError(f"{token!r}, {who!r}")


def refuse(request: Any) -> Any:
    """Let the database name the row that it refuses."""
    tracking = request.tracking_session
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO jay_tracking_session (session_id, playout_id, user_id) VALUES (%s, %s, %s)",
            ["01900000-0000-7000-8000-000000000000", "p", tracking.user_id],
        )


urlpatterns = [path("fail/", fail), path("afail/", afail), path("refuse/", refuse), *example]
