"""The endpoints, and the two pages that docs/operations.md tells a site to add."""

from django.urls import include, path
from health_check.views import HealthCheckView

STORE = "jay_sessions.health.SessionStore"
urlpatterns = [
    path("", include("jay_sessions.urls")),
    path("health/ready/", HealthCheckView.as_view(checks=[STORE])),
    path("health/", HealthCheckView.as_view(checks=[STORE, "health_check.checks.Cache"])),
]
