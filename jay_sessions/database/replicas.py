"""How far a database is behind the one that it is a replica of."""

import contextlib
import datetime

from django.db import NotSupportedError, ProgrammingError, connections, transaction


def lag(alias: str) -> datetime.timedelta | None:
    """Return the longest time by which the database can be behind its primary, as a PostgreSQL standby.

    None if it is no standby, has repeated everything, or cannot tell. A standby that is connected to its
    primary and has repeated all that it received is not behind: an idle primary sends nothing. Otherwise the
    result is the time since the last change that it has repeated, by the clocks of both servers.

    Database errors pass through.
    """
    connection = connections[alias]
    if connection.vendor != "postgresql":
        return None
    guard = transaction.atomic(alias) if connection.in_atomic_block else contextlib.nullcontext()
    # Amazon Aurora, for one, does not have all of these functions.
    with contextlib.suppress(NotSupportedError, ProgrammingError), guard, connection.cursor() as cursor:
        cursor.execute(_LAG)
        [found] = cursor.fetchone()
        return found  # type: ignore[no-any-return]
    return None


_LAG = """
SELECT CASE
    WHEN NOT pg_is_in_recovery() THEN NULL
    WHEN pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn()
        AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN NULL
    ELSE statement_timestamp() - pg_last_xact_replay_timestamp()
END
"""
