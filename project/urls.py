from django.contrib import admin
from django.urls import include, path
from django.views.generic import TemplateView

urlpatterns = [
    path("", TemplateView.as_view(template_name="project/home.html"), name="home"),
    path("admin/", admin.site.urls),
    path("", include("jay_sessions.urls")),
]
