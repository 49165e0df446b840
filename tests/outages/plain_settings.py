"""A site as `startproject` makes it, and PostgreSQL as Django's documentation writes it."""

import json
import os
from urllib.parse import unquote, urlsplit

from tests.support.plain_site import SETTINGS

_given = json.loads(os.environ["OUTAGE_SITE"])
SECRET_KEY = SETTINGS["SECRET_KEY"]
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = [*SETTINGS["INSTALLED_APPS"], "health_check"]
MIDDLEWARE = SETTINGS["MIDDLEWARE"]
ROOT_URLCONF = "tests.outages.plain_urls"
_url = urlsplit(os.environ["DATABASE_URL"])
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _url.path[1:],
        "USER": _url.username,
        "PASSWORD": unquote(_url.password or ""),
        "HOST": _url.hostname,
        "PORT": str(_url.port),
        "CONN_MAX_AGE": _given["conn_max_age"],
    }
}
USE_TZ = True
JAY_SESSIONS = _given["app"]
