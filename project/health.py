"""Health of the site: for load balancers, and for monitoring."""

from typing import Any

from django.http import HttpRequest, JsonResponse, QueryDict
from django.http.response import HttpResponseBase
from health_check.views import HealthCheckView


class HealthView(HealthCheckView):
    """JSON, whatever a client asks for: 200 if everything works, else 503."""

    async def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # The base class chooses a format by `Accept`, and answers a malformed one with a 500.
        request.GET = QueryDict("format=json")
        response: HttpResponseBase = await super().get(request, *args, **kwargs)
        return response

    def render_to_response_json(self, status: int) -> JsonResponse:
        response: JsonResponse = super().render_to_response_json(status if status == 200 else 503)
        return response


ready = HealthView.as_view(checks=["jay_sessions.health.SessionStore"])
"""Whether the site can serve requests. Parts that it can do without for a while do not count."""

all_parts = HealthView.as_view(
    checks=[
        ("jay_sessions.health.SessionStore", {"hours": 24}),
        "health_check.checks.Cache",
        "jay_sessions.health.Zephr",
    ]
)
"""Whether anything needs a person's attention."""
