"""The example site, and beside it a plain admin of the same rows."""

from project.settings import *  # noqa: F403

ROOT_URLCONF = "bench.analytics.urls"
ALLOWED_HOSTS = ["testserver"]
LOGGING = {"version": 1, "disable_existing_loggers": True}
