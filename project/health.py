"""Whether the site works: for a load balancer, and for whoever watches over it."""

from typing import Any

from django.http import HttpRequest, JsonResponse, QueryDict
from django.http.response import HttpResponseBase
from health_check.views import HealthCheckView


class HealthView(HealthCheckView):
    """JSON, whatever a client asks for: 200 where all works, else 503."""

    async def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # Its own choice of a format answers a malformed `Accept` with a 500.
        request.GET = QueryDict("format=json")
        response: HttpResponseBase = await super().get(request, *args, **kwargs)
        return response

    def render_to_response_json(self, status: int) -> JsonResponse:
        response: JsonResponse = super().render_to_response_json(status if status == 200 else 503)
        return response


ready = HealthView.as_view(checks=["jay_sessions.health.SessionStore"])
"""Whether requests can be served: what is away now and then, and is done without, plays no part."""

all_parts = HealthView.as_view(
    checks=["jay_sessions.health.SessionStore", "health_check.checks.Cache", "jay_sessions.health.Zephr"]
)
"""Whether anything needs a person's attention."""
