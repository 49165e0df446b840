"""Fixtures for the tests of the Zephr gateway, which name this module as their plugin."""

import pytest
from django.core.cache import cache

from jay_sessions.zephr import gateway
from project.zephr_stand_in import ZephrStandIn

from .zephr_held import LOCAL_CACHE
from .zephr_wire import ACCESS_KEY, SECRET_KEY

ONE_TRY = {"MAX_ATTEMPTS": 1, "MAX_WAITING": 64}


@pytest.fixture
def set_zephr(settings):
    """Set ZEPHR for one test; a call makes one attempt, and many may wait, unless told otherwise."""

    def change(base_url, **options):
        pair = {"ACCESS_KEY": ACCESS_KEY, "SECRET_KEY": SECRET_KEY}
        settings.JAY_SESSIONS = {"ZEPHR": {"BASE_URL": base_url, **pair, **ONE_TRY, **options}}

    yield change
    gateway._processes.clear()


@pytest.fixture
def stand_in(set_zephr):
    """A Zephr that the settings name."""
    with ZephrStandIn(ACCESS_KEY, SECRET_KEY) as running:
        set_zephr(running.base_url)
        yield running


@pytest.fixture
def local_cache(settings):
    """A cache in this process, which follows a clock that is set by a test."""
    settings.CACHES = LOCAL_CACHE
    cache.clear()
