import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.tracking.peers.drf_plain.settings")

application = get_wsgi_application()
