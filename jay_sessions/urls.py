"""The app's paths. With `path("", include("jay_sessions.urls"))` they are those of the JAY reference."""

from django.urls import URLPattern, re_path

from .api.views.analytics import SessionListView, StatisticsView
from .api.views.base import JayView
from .api.views.tracking_sessions import TrackingSessionView, UnknownPathView
from .api.views.zephr import ZephrSessionView

app_name = "jay_sessions"

_TRACKING = r"^playouts/(?P<playout_id>[^/]+)/tracking/"


def _tracking(segment: str, view: type[JayView], name: str) -> list[URLPattern]:
    # \Z, not $: a line feed is an ordinary character of a path, and `$` would match before one.
    # OpenAPI documents leave out the path with a trailing slash.
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
