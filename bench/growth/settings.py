"""The example site of the tree that is measured, without its log."""

from project.settings import *  # noqa: F403

ALLOWED_HOSTS = ["testserver"]
LOGGING = {"version": 1, "disable_existing_loggers": True}
