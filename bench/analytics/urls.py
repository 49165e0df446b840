"""The example site, and `/plain/`: the admin that Django gives for a model."""

from django.contrib import admin
from django.urls import path

from jay_sessions.models import TrackingSession
from project.urls import urlpatterns as urlpatterns_of_the_site


class PlainAdmin(admin.ModelAdmin):
    list_display = ("session_id", "started_at", "playout_id", "provider_name", "user_id")
    list_filter = ("provider_name",)
    search_fields = ("user_id", "playout_id")
    date_hierarchy = "started_at"


plain = admin.AdminSite("plain")
plain.register(TrackingSession, PlainAdmin)
urlpatterns = [path("plain/", plain.urls), *urlpatterns_of_the_site]
