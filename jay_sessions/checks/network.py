"""System checks of the connection between the site and its PostgreSQL: a broken network must not block it.

They read only the settings and connect to nothing.
"""

from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Tags, register

from ..conf import Settings, declared
from .database import database_of_sessions
from .settings import parsed

NEEDED = {
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""Parameters of libpq, with good values: seconds, a count, and milliseconds for `tcp_user_timeout`."""


@register(Tags.security, deploy=True)
def check_keepalives(**kwargs: Any) -> list[CheckMessage]:
    """Warn of a PostgreSQL over a network without time limits: only this app notices if it is silent."""
    database, vendor = database_of_sessions()
    options = database.get("OPTIONS", {})
    host = str(database.get("HOST", ""))
    is_elsewhere = vendor == "postgresql" and host and not host.startswith("/")
    missing = {name: value for name, value in NEEDED.items() if name not in options}
    # A service file may set them.
    if not is_elsewhere or not missing or "service" in options:
        return []
    lines = ", ".join(f'"{name}": {value}' for name, value in missing.items())
    return [
        checks.Warning(
            f"If the connection to PostgreSQL at {host} is cut, logins, commands and the site's own "
            "views can hang for hours.",
            hint=f'Write, in DATABASES: "OPTIONS": {{{lines}}}',
            id="jay_sessions.W121",
        )
    ]


@register(Tags.security, deploy=True)
def check_pool(**kwargs: Any) -> list[CheckMessage]:
    """Warn of a psycopg pool that lets requests wait longer than `DATABASE_TIMEOUT`, or without end."""
    database, vendor = database_of_sessions()
    pool = database.get("OPTIONS", {}).get("pool")
    if vendor != "postgresql" or not pool:
        return []
    seconds = parsed()[0].get("database_timeout", declared(Settings)["DATABASE_TIMEOUT"].default)
    given = pool.get("timeout", 30) if isinstance(pool, dict) else 30
    is_asked = database.get("CONN_HEALTH_CHECKS", False)
    if given <= seconds and not is_asked:
        return []
    return [
        checks.Warning(
            "A request waits for a connection from psycopg's pool "
            + ("forever if the database does not answer." if is_asked else f"for {given} seconds."),
            hint=f'Write, in DATABASES: "OPTIONS": {{"pool": {{"timeout": {seconds:g}}}}}, and leave '
            '"CONN_HEALTH_CHECKS" out: a connection that was lost is replaced anyway',
            id="jay_sessions.W122",
        )
    ]
