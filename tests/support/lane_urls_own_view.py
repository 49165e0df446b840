"""A site that has a view of its own in the place of the app's."""

from django.urls import include, re_path

from jay_sessions.api.views.tracking_sessions import TrackingSessionView


class OwnView(TrackingSessionView):
    pass


urlpatterns = [
    re_path(r"^playouts/(?P<playout_id>[^/]+)/tracking/session\Z", OwnView.as_view()),
    re_path("", include("jay_sessions.urls")),
]
