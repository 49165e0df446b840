import os

from django.core.wsgi import get_wsgi_application

from jay_sessions.lane import FastLane

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

# Answers the ordinary tracking requests itself, and hands everything else on to Django.
application = FastLane(get_wsgi_application())
