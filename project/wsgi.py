import os

from jay_sessions.lane.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

# It answers the ordinary tracking requests itself, and passes everything else on to Django.
application = get_wsgi_application()
