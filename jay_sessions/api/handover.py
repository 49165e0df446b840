"""What the fast lane has found out of a request that it hands on, so that no step is done twice."""

import dataclasses

from django.core.handlers.asgi import ASGIRequest
from rest_framework.request import Request

from ..exceptions import JaySessionsError

NAME = "jay_sessions.handover"
"""Where it stands in WSGI's environ or ASGI's scope; no header of a client's has such a name."""


@dataclasses.dataclass(frozen=True, slots=True)
class Handover:
    """`wait`: for how many seconds the key is throttled, if it is; `error`: what the use case raised."""

    wait: int | None = None
    error: JaySessionsError | None = None


def of(request: Request) -> Handover | None:
    """Return what the lane has found out; None where the request did not come over it."""
    # A site may have a `scope` of its own on a request of WSGI's.
    asked = request._request
    where = asked.scope if isinstance(asked, ASGIRequest) else asked.META
    found: Handover | None = where.get(NAME)
    return found
