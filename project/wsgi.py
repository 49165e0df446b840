import os

from django.core.wsgi import get_wsgi_application

from jay_sessions.lane.wsgi import FastLane

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

# It answers the ordinary tracking requests itself, and passes everything else on to Django.
application = FastLane(get_wsgi_application())
