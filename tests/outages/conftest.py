"""A PostgreSQL for all cases of a process, and what the judge says at the end of a run."""

import os

import pytest

from ..conftest import unavailable
from ..support import postgres_server
from ..support.summary import Summary, name_of
from . import report
from .stage import staged


@pytest.fixture(scope="session")
def _summary(request):
    return Summary(request.config, "outages")


@pytest.fixture(scope="session")
def migrated():
    """A private PostgreSQL with the site's tables."""
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        unavailable("DATABASE_URL names no PostgreSQL server.")
    with postgres_server.migrated() as found:
        yield found


@pytest.fixture
def cluster(migrated) -> postgres_server.Server:
    return migrated.server.ensure_running()


@pytest.fixture
def stage(cluster, migrated, request, _summary):
    """Serve a variant of the site with a new database behind a proxy."""

    def note(verdict):
        report.note(name_of(request), verdict)
        _summary.note(request, verdict)

    return lambda variant, limit=None: staged(migrated, variant, note, limit)
