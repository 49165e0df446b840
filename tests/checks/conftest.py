"""Databases and drivers that the checks see instead of those of the tests."""

import pytest
from django.conf import settings as site
from django.db.backends.postgresql import psycopg_any

from jay_sessions.database.connections import has_psycopg_3


@pytest.fixture
def database(monkeypatch):
    """Change what the settings say of the database, for the checks alone."""

    def change(**values):
        monkeypatch.setitem(site.DATABASES, "default", {**site.DATABASES["default"], **values})

    return change


@pytest.fixture
def _psycopg_2(monkeypatch):
    """Let Django say what it does as if only psycopg 2 were installed."""
    monkeypatch.setattr(psycopg_any, "is_psycopg3", False)
    has_psycopg_3.cache_clear()
    yield
    has_psycopg_3.cache_clear()
