"""Checks whether PostgreSQL's commits survive a crash, so that confirmed sessions are not lost."""

from typing import NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper


class Fault(NamedTuple):
    """A setting that is `off`, the id of its system check, and how to undo it (SQL or a sentence)."""

    name: str
    check: str
    remedy: str


_RESETS = {
    "database": "ALTER DATABASE {database} RESET {name};",
    "user": "ALTER ROLE {role} RESET {name};",
    "database user": "ALTER ROLE {role} IN DATABASE {database} RESET {name};",
    "client": 'remove {name} from "options" in DATABASES',
    "session": "remove SET {name} from the code that sets up connections",
}
"""How to undo a setting, by its `source` in `pg_settings`. For other sources, `_SET` sets it server-wide."""

_CHECKS = {"synchronous_commit": "jay_sessions.E104", "fsync": "jay_sessions.E105"}

_SET = "ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();"

_QUERY = """
SELECT name, source, quote_ident(current_database()), quote_ident(session_user) FROM pg_settings
WHERE name IN ('fsync', 'synchronous_commit') AND setting = 'off' ORDER BY name
"""


def faults(connection: BaseDatabaseWrapper) -> list[Fault]:
    """Return the settings that lose commits when the server loses power. Database errors pass through.

    Every value of `synchronous_commit` except `off` waits at least for the server's disk.
    """
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(_QUERY)
        rows = cursor.fetchall()
    return [
        Fault(name, _CHECKS[name], _RESETS.get(source, _SET).format(name=name, database=database, role=role))
        for name, source, database, role in rows
    ]
