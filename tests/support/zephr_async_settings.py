"""The example site with views of its own that wait for Zephr; see test_zephr_async.py."""

from project.settings import *  # noqa: F403

ROOT_URLCONF = "tests.support.zephr_async_urls"
