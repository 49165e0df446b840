"""The application for WSGI, with the fast lane or without it."""

import json
import os

from django.core.wsgi import get_wsgi_application

from jay_sessions.lane.wsgi import FastLane

application = get_wsgi_application()
if json.loads(os.environ["OUTAGE_SITE"])["lane"]:
    application = FastLane(application)
