"""The application for ASGI, with the fast lane or without it."""

import json
import os

from django.core.asgi import get_asgi_application

from jay_sessions.lane.asgi import AsyncFastLane

application = get_asgi_application()
if json.loads(os.environ["OUTAGE_SITE"])["lane"]:
    application = AsyncFastLane(application)
