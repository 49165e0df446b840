"""The app's paths: `path("", include("jay_sessions.urls"))` puts them where the reference has them."""

from django.urls import URLPattern, re_path

from .api.analytics import SessionListView, StatisticsView
from .api.base import JayView
from .api.views import TrackingSessionView, UnknownPathView
from .api.zephr import ZephrSessionView

app_name = "jay_sessions"

_TRACKING = r"^playouts/(?P<playout_id>[^/]+)/tracking/"


def _tracking(segment: str, view: type[JayView], name: str) -> list[URLPattern]:
    # \Z, not $: a line feed is an ordinary character of a path, and `$` would match before one.
    # The path with a trailing slash stands in no OpenAPI document.
    return [
        re_path(rf"{_TRACKING}{segment}\Z", view.as_view(), name=name),
        re_path(rf"{_TRACKING}{segment}/\Z", view.as_view(schema=None)),
    ]


urlpatterns = [
    *_tracking("session", TrackingSessionView, "tracking-session"),
    *_tracking("sessions", SessionListView, "tracking-sessions"),
    *_tracking("statistics", StatisticsView, "tracking-statistics"),
    re_path(_TRACKING, UnknownPathView.as_view()),
    re_path(r"^v3/sessions/(?P<id>[^/]+)\Z", ZephrSessionView.as_view(), name="zephr-session"),
]
