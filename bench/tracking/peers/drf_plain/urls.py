from django.contrib import admin
from django.urls import path

from .views import SessionView

urlpatterns = [
    path("admin/", admin.site.urls),
    path("playouts/<str:playout_id>/tracking/session", SessionView.as_view()),
]
