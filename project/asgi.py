import os

from django.core.asgi import get_asgi_application

from jay_sessions.async_lane import AsyncFastLane

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

# Answers the ordinary tracking requests itself, and hands everything else on to Django.
application = AsyncFastLane(get_asgi_application())
