"""The app's paths: `path("", include("jay_sessions.urls"))` puts them where the reference has them."""

from django.urls import re_path

from .api.views import TrackingSessionView, UnknownPathView
from .api.zephr import ZephrSessionView

app_name = "jay_sessions"

# \Z, not $: a line feed is an ordinary character of a path, and `$` would match before one.
urlpatterns = [
    re_path(
        r"^playouts/(?P<playout_id>[^/]+)/tracking/session\Z",
        TrackingSessionView.as_view(),
        name="tracking-session",
    ),
    # The same with a trailing slash, which stands in no OpenAPI document.
    re_path(
        r"^playouts/(?P<playout_id>[^/]+)/tracking/session/\Z",
        TrackingSessionView.as_view(schema=None),
    ),
    re_path(r"^playouts/(?P<playout_id>[^/]+)/tracking/", UnknownPathView.as_view()),
    re_path(r"^v3/sessions/(?P<id>[^/]+)\Z", ZephrSessionView.as_view(), name="zephr-session"),
]
