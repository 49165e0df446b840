from django.contrib import admin
from django.urls import include, path
from django.views.generic import TemplateView
from drf_spectacular.views import SpectacularAPIView
from rest_framework.permissions import AllowAny

# For everybody, whatever login a request carries; without `schema`, it stays out of its own document.
openapi = SpectacularAPIView.as_view(schema=None, permission_classes=[AllowAny], authentication_classes=[])

urlpatterns = [
    path("", TemplateView.as_view(template_name="project/home.html"), name="home"),
    path("admin/", admin.site.urls),
    path("schema/", openapi, name="schema"),
    path("", include("jay_sessions.urls")),
]
