"""The example site with one more view, and with answers that stay in the cache for as long as it runs."""

from project.settings import *  # noqa: F403
from project.settings import JAY_SESSIONS

ROOT_URLCONF = "bench.zephr.urls"
if JAY_SESSIONS["ZEPHR"]:
    JAY_SESSIONS["ZEPHR"]["CACHE_TIMEOUT"] = 3600
    # All at once, which is what is measured.
    JAY_SESSIONS["ZEPHR"]["MAX_WAITING"] = 1000
