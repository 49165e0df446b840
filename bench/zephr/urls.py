"""The example site, and beside it what the proxy is measured against."""

from typing import Any

from django.urls import path
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from project.urls import urlpatterns as urlpatterns_of_the_site
from project.zephr_demo_sessions import DEMO_SESSIONS

[*_, SESSION] = DEMO_SESSIONS.values()


class BareView(APIView):
    """The same JSON, without key, cache or anything else that could be left out."""

    authentication_classes = ()
    permission_classes = ()
    renderer_classes = (JSONRenderer,)

    def get(self, request: Request, **kwargs: Any) -> Response:
        return Response(SESSION)


urlpatterns = [path("bare", BareView.as_view()), *urlpatterns_of_the_site]
