"""The checks of what makes requests slow."""

import functools
import sys
import types
from unittest.mock import Mock

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler

from jay_sessions.lane.asgi import AsyncFastLane
from jay_sessions.lane.wsgi import FastLane

from ..support.lane_sites import GZIP
from .test_database import POSTGRESQL
from .test_settings import found


@pytest.mark.parametrize(
    ("changes", "recorder", "warned"),
    [
        ({"CONN_MAX_AGE": 0}, "direct", True),
        ({"CONN_MAX_AGE": 0}, None, False),
        ({"CONN_MAX_AGE": 0}, "group", False),
        ({"CONN_MAX_AGE": 60}, "direct", False),
        ({"CONN_MAX_AGE": None}, "direct", False),
        ({"CONN_MAX_AGE": 0, "OPTIONS": {"pool": True}}, "direct", False),
        ({"CONN_MAX_AGE": 0, "OPTIONS": {"pool": False}}, "direct", True),
        ({"CONN_MAX_AGE": 0, "ENGINE": "django.db.backends.sqlite3"}, "direct", False),
    ],
)
def test_a_connection_for_each_request_is_warned_of(database, setting, changes, recorder, warned):
    database(**{"ENGINE": POSTGRESQL, "OPTIONS": {}, **changes})
    setting(RECORDER=recorder)
    assert "W132" not in found()
    assert ("W132" in found(deploy=True)) is warned
    if warned:
        hint = 'Remove RECORDER; or write: DATABASES["default"]["CONN_MAX_AGE"] = 60'
        assert found(deploy=True)["W132"].hint == hint


@pytest.mark.usefixtures("_psycopg_2")
def test_psycopg_2_opens_one_too_and_the_check_names_its_successor(database, setting):
    database(ENGINE=POSTGRESQL, OPTIONS={}, CONN_MAX_AGE=0)
    setting(RECORDER=None)
    assert found(deploy=True)["W132"].hint.startswith('Type: pip install "psycopg[binary]"; or write:')


@pytest.mark.parametrize("recorder", [None, "group"])
def test_an_engine_that_cannot_be_loaded_is_left_to_django(database, setting, recorder):
    # As PostGIS without GDAL, or a driver that is not installed.
    database(ENGINE="no.such.postgresql", OPTIONS={}, CONN_MAX_AGE=0)
    setting(RECORDER=recorder)
    assert not {"W132", "E102"} & set(found(deploy=True))


class Around:
    """A middleware that keeps the application in an attribute."""

    def __init__(self, application):
        self.inner = application

    def __call__(self, *args):
        return self.inner(*args)


class InSlots:
    """As Sentry keeps the application."""

    __slots__ = ("app",)

    def __init__(self, application):
        self.app = application

    def __call__(self, *args):
        return self.app(*args)


def around(application):
    """Return a middleware that is a function."""

    def inner(*args):
        return application(*args)

    return inner


def by_name(application):
    """Return a function that calls a global of its module."""
    module = {"site": application}
    exec("def application(*args):\n    return site(*args)", module)
    return module["application"]


def with_an_empty_cell(application):
    def inner(*args):
        return absent, application  # noqa: F821 (Deleted below)

    absent = None
    del absent
    return inner


class Hostile:
    """Code of its own runs at each look at an attribute."""

    def __init__(self, application):
        object.__setattr__(self, "app", application)

    def __getattribute__(self, name):
        raise SystemExit(name)


def circle(application):
    """Return a function that refers to many others, and each of them to all."""
    views = {}
    for number in range(50):
        views[number] = lambda: views
    views["django"] = application
    return views[0]


class ByProtocol:
    """As Channels keeps applications: in a dict."""

    def __init__(self, **applications):
        self.application_mapping = applications

    def __call__(self, *args):
        return None


@pytest.fixture
def applications(settings, monkeypatch):
    """Give the site these applications, in modules that are named as `startproject` does."""

    def give(wsgi, asgi):
        for name, application in (("wsgi", wsgi), ("asgi", asgi)):
            module = types.ModuleType(f"a_site.{name}")
            module.application = application
            monkeypatch.setitem(sys.modules, module.__name__, module)
        settings.WSGI_APPLICATION, settings.ASGI_APPLICATION = "a_site.wsgi.application", None

    monkeypatch.setitem(sys.modules, "a_site", types.ModuleType("a_site"))
    return give


@pytest.mark.parametrize(
    ("wsgi", "asgi", "proposed"),
    [
        (WSGIHandler, ASGIHandler, True),
        (lambda: Around(around(WSGIHandler())), lambda: ByProtocol(http=ASGIHandler()), True),
        (lambda: FastLane(WSGIHandler()), ASGIHandler, False),
        (WSGIHandler, lambda: AsyncFastLane(ASGIHandler()), False),
        (lambda: Around(around(FastLane(WSGIHandler()))), ASGIHandler, False),
        (WSGIHandler, lambda: ByProtocol(http=AsyncFastLane(ASGIHandler())), False),
        (WSGIHandler, lambda: ByProtocol(http=[("", AsyncFastLane(ASGIHandler()))]), False),
        (lambda: InSlots(FastLane(WSGIHandler())), ASGIHandler, False),
        (lambda: functools.partial(FastLane(WSGIHandler())), ASGIHandler, False),
        (lambda: Around(FastLane(WSGIHandler())).__call__, ASGIHandler, False),
        (lambda: by_name(FastLane(WSGIHandler())), ASGIHandler, False),
        (lambda: with_an_empty_cell(FastLane(WSGIHandler())), ASGIHandler, False),
        (lambda: Hostile(FastLane(WSGIHandler())), ASGIHandler, False),
        (lambda: circle(FastLane(WSGIHandler())), ASGIHandler, False),
        (lambda: circle(WSGIHandler()), Mock, True),
    ],
    ids=[
        "plain",
        "middleware",
        "wsgi",
        "asgi",
        "inside middleware",
        "inside a router",
        "in a list",
        "in a slot",
        "partial",
        "bound method",
        "by name",
        "empty cell",
        "hostile",
        "circle",
        "circle without it",
    ],
)
def test_the_lane_is_proposed_to_a_site_without_it(applications, wsgi, asgi, proposed):
    applications(wsgi(), asgi())
    assert "I001" not in found()
    assert ("I001" in found(deploy=True)) is proposed
    if proposed:
        hint = found(deploy=True)["I001"].hint
        assert "in a_site/wsgi.py: from jay_sessions.lane.wsgi import get_wsgi_application;" in hint
        assert "in asgi.py: from jay_sessions.lane.asgi import get_asgi_application" in hint


def test_the_proposal_names_what_the_lane_would_bypass(applications, settings):
    applications(WSGIHandler(), ASGIHandler())
    assert "bypass" not in found(deploy=True)["I001"].msg
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, GZIP]
    assert f"bypass {GZIP}." in found(deploy=True)["I001"].msg


def test_a_site_whose_requests_the_lane_would_pass_on_hears_nothing_of_it(applications, setting):
    applications(WSGIHandler(), ASGIHandler())
    setting(PROVIDER_RESOLVER="tests.checks.test_speed.around")
    assert "I001" not in found(deploy=True)


def test_a_site_without_a_wsgi_application_hears_nothing_of_it(settings):
    settings.WSGI_APPLICATION, settings.ASGI_APPLICATION = None, None
    assert "I001" not in found(deploy=True)


def test_a_module_that_cannot_be_imported_is_left_to_the_server(settings):
    settings.WSGI_APPLICATION, settings.ASGI_APPLICATION = "no.such.application", "1/0"
    assert "I001" in found(deploy=True)
