"""System checks of the database that stores the sessions.

They read only the settings and connect to nothing, except W114, E104 and E105: `check --database` runs these.
"""

import sys
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections, router
from django.db.utils import load_backend

from ..database import commits, errors, tables
from ..database.connections import has_psycopg_3
from ..models import TrackingSession
from .settings import parsed

SQLITE_HINT = (
    'DATABASES["default"]["OPTIONS"] = {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", '
    '"transaction_mode": "IMMEDIATE", "timeout": 20}'
)

SUPPORTED = 'Use "django.db.backends.postgresql", or "django.db.backends.sqlite3" to begin with.'


@register()
def check_supported(**kwargs: Any) -> list[CheckMessage]:
    """Refuse MariaDB, MySQL and Oracle: they cannot store sessions."""
    database, vendor = database_of_sessions()
    if vendor not in ("mysql", "oracle"):
        return []
    message = f"Sessions cannot be stored with {database.get('ENGINE')}."
    return [checks.Error(message, hint=SUPPORTED, id="jay_sessions.E101")]


@register()
def check_tested(**kwargs: Any) -> list[CheckMessage]:
    """Warn of a database other than PostgreSQL and SQLite: it is untested."""
    database, vendor = database_of_sessions()
    if vendor in ("postgresql", "sqlite", "mysql", "oracle"):
        return []
    message = f"Sessions are stored with {database.get('ENGINE')}, which is untested."
    return [checks.Warning(message, hint=SUPPORTED, id="jay_sessions.W101")]


@register()
def check_sqlite(**kwargs: Any) -> list[CheckMessage]:
    """Warn of an SQLite that loses or refuses writes."""
    database, vendor = database_of_sessions()
    options = database.get("OPTIONS", {})
    command = str(options.get("init_command", "")).lower().replace(" ", "")
    unsafe = "synchronous=off" in command or "synchronous=0" in command
    immediate = str(options.get("transaction_mode")).upper() == "IMMEDIATE"
    suits = "journal_mode=wal" in command and immediate and not unsafe
    if vendor != "sqlite" or suits:
        return []
    return [
        checks.Warning(
            "SQLite is not configured for concurrent writers and durable commits. Simultaneous requests "
            "may get a 503.",
            hint=f"Write: {SQLITE_HINT}",
            id="jay_sessions.W102",
        )
    ]


@register()
def check_driver(**kwargs: Any) -> list[CheckMessage]:
    """Refuse `RECORDER` `group` with psycopg 2."""
    values, _ = parsed()
    if values.get("recorder") != "group" or database_of_sessions()[1] != "postgresql":
        return []
    if not has_psycopg_2(database_of_sessions()[0]["ENGINE"]):
        return []
    return [
        checks.Error(
            'RECORDER "group" needs psycopg 3, but the site has psycopg 2.',
            hint='Type: pip install "psycopg[binary]"; or remove RECORDER: the app then uses "direct"',
            id="jay_sessions.E102",
        )
    ]


@register()
def check_commits(**kwargs: Any) -> list[CheckMessage]:
    """Refuse `AUTOCOMMIT` off: sessions would be confirmed but not committed."""
    if database_of_sessions()[0].get("AUTOCOMMIT", True):
        return []
    return [
        checks.Error(
            "AUTOCOMMIT is off: sessions are confirmed but not committed.",
            hint='Remove "AUTOCOMMIT" from DATABASES.',
            id="jay_sessions.E103",
        )
    ]


@register(Tags.database)
def check_migrated(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of missing tables or columns."""
    alias = router.db_for_write(TrackingSession)
    # `migrate` runs the checks first: the hint would tell it to run `migrate`.
    is_asked = alias in (databases or ()) and sys.argv[1:2] != ["migrate"]
    if not is_asked or not tables.are_missing(alias):
        return []
    return [
        checks.Warning(
            f'The database "{alias}" lacks tables or columns: every request gets a 500.',
            hint=f"Type: {errors.migrate()}",
            id="jay_sessions.W114",
        )
    ]


@register(Tags.database)
def check_synchronous_commit(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse `synchronous_commit` off: confirmed sessions may be lost."""
    return _losing("synchronous_commit", databases, id="jay_sessions.E104")


@register(Tags.database)
def check_fsync(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse `fsync` off: it may also damage stored data."""
    return _losing("fsync", databases, id="jay_sessions.E105")


def _losing(name: str, databases: Sequence[str] | None, *, id: str) -> list[CheckMessage]:  # noqa: A002
    alias = router.db_for_write(TrackingSession)
    # A test database may be fast and unsafe, and `migrate` must not be blocked.
    if alias not in (databases or ()) or sys.argv[1:2] in (["migrate"], ["test"]):
        return []
    try:
        faults = commits.faults(connections[alias])
    except DatabaseError:
        return []
    message = f"{name} is off: if the database loses power, confirmed sessions are lost."
    return [
        checks.Error(message, hint=f"Undo it: {fault.remedy}", id=id)
        for fault in faults
        if fault.name == name
    ]


def has_psycopg_2(engine: str) -> bool:
    """Say whether an `ENGINE` for PostgreSQL uses psycopg 2. False if Django cannot load the engine."""
    try:
        return not has_psycopg_3(engine)
    except (ImproperlyConfigured, ImportError):
        # As in `database_of_sessions`.
        return False


def database_of_sessions() -> tuple[dict[str, Any], str]:
    """Return the settings of the database that stores sessions, and its vendor ("" if unknown)."""
    database = settings.DATABASES.get(router.db_for_write(TrackingSession), {})
    # Django's own default.
    database = {"ENGINE": "django.db.backends.dummy", **database}
    engine = str(database["ENGINE"])
    try:
        return database, load_backend(engine).DatabaseWrapper.vendor
    except (ImproperlyConfigured, ImportError):
        # Its driver is missing: Django reports that itself.
        return database, _VENDORS.get(engine.rpartition(".")[2], "")


_VENDORS = {
    "postgresql": "postgresql", "postgis": "postgresql", "sqlite3": "sqlite", "spatialite": "sqlite",
    "mysql": "mysql", "oracle": "oracle",
}  # fmt: skip
