import os

from jay_sessions.lane.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

# It answers the ordinary tracking requests itself, and passes everything else on to Django.
application = get_asgi_application()
