import os

from django.core.asgi import get_asgi_application

from jay_sessions.lane.asgi import AsyncFastLane

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

# It answers the ordinary tracking requests itself, and passes everything else on to Django.
application = AsyncFastLane(get_asgi_application())
