"""What the sites take of the machine: PostgreSQL, PgBouncer, Chromium, a C compiler."""

import os
import shutil
from collections.abc import Callable

from . import postgres
from .databases import DATABASES
from .declared import Site

POSTGRESQL, PGBOUNCER, CHROMIUM, COMPILER = "PostgreSQL", "PgBouncer", "Chromium", "a C compiler"


def why_no_chromium() -> str:
    """Say why there is no Chromium; nothing where there is one."""
    return "" if shutil.which("chromium") and shutil.which("chromedriver") else "apt install chromium-driver"


def _why_no_pgbouncer() -> str:
    return "" if postgres.pgbouncer_program() else "apt install pgbouncer"


def _why_no_compiler() -> str:
    return "" if shutil.which(os.environ.get("CC", "cc")) else "apt install build-essential"


WHY_MISSING: dict[str, Callable[[], str]] = {
    POSTGRESQL: postgres.why_missing,
    PGBOUNCER: _why_no_pgbouncer,
    CHROMIUM: why_no_chromium,
    COMPILER: _why_no_compiler,
}


def missing() -> dict[str, str]:
    """Return what is not there, and why or what to do."""
    return {name: why for name, ask in WHY_MISSING.items() if (why := ask())}


def needs(site: Site) -> set[str]:
    """Return what a site cannot do without. Chromium is not among it: without, it is only seen less of."""
    database = DATABASES[site.database]
    found = {POSTGRESQL} if database.on_postgresql else set()
    if "PgBouncer" in site.database:
        found.add(PGBOUNCER)
    if site.environment == "uwsgi":
        found.add(COMPILER)
    return found
