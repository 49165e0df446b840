from django.contrib import admin
from django.urls import include, path
from django.views.generic import TemplateView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny

from . import health

# These are open to everybody, with or without a login. Without `schema`, the page is not in its own document.
PUBLIC = {"schema": None, "permission_classes": [AllowAny], "authentication_classes": []}
openapi = SpectacularAPIView.as_view(**PUBLIC)
swagger_ui = SpectacularSwaggerSplitView.as_view(**PUBLIC, url_name="schema")

urlpatterns = [
    path("", TemplateView.as_view(template_name="project/home.html"), name="home"),
    path("player/", TemplateView.as_view(template_name="project/player.html"), name="player"),
    path("admin/", admin.site.urls),
    path("health/", health.all_parts, name="health"),
    path("health/ready/", health.ready, name="ready"),
    path("schema/", openapi, name="schema"),
    path("schema/swagger-ui/", swagger_ui, name="swagger-ui"),
    path("", include("jay_sessions.urls")),
]
