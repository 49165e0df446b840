"""The API behind Django, whatever `project.wsgi` has in front of it."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.tracking.settings")

application = get_wsgi_application()
