"""Results that the fast lane passes on with a request, so that no step runs twice."""

import dataclasses
from typing import Any

from rest_framework.request import Request

from .. import http
from ..exceptions import JaySessionsError

NAME = "jay_sessions.handover"
"""The key in WSGI's environ or ASGI's scope; no client's header can have this name."""


@dataclasses.dataclass(frozen=True, slots=True)
class Handover:
    """`wait`: seconds for which the key is throttled, if it is; `error`: the exception of the use case."""

    wait: int | None = None
    error: JaySessionsError | None = None


def of(request: Request) -> Handover | None:
    """Return the lane's results; None if the request did not come through the lane."""
    asked: Any = request._request
    where = asked.scope if http.is_asgi(asked.META) else asked.META
    handover: Handover | None = where.get(NAME)
    return handover
