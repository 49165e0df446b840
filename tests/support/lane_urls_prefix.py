"""A site that has the app's paths below others."""

from django.urls import include, path

urlpatterns = [path("api/v1/", include("jay_sessions.urls"))]
