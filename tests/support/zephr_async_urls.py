"""The example site's URLs, and views of its own: one that awaits a Zephr session, and one that is sync."""

from django.http import HttpResponse, JsonResponse
from django.urls import path

from jay_sessions.zephr import gateway
from project.urls import urlpatterns as example


async def own_view(request, session_id):
    session = await gateway.aget_session(session_id)
    return JsonResponse({"user_id": session.user_id})


def sync_view(request):
    return HttpResponse("here")


urlpatterns = [path("own/<session_id>", own_view), path("sync/", sync_view), *example]
