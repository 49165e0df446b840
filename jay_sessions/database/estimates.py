"""How many rows a table has, as PostgreSQL estimates for its planner."""

from django.db.backends.base.base import BaseDatabaseWrapper

# A partitioned table has no estimate of its own. -1 is the estimate for a table that was never analyzed.
_ROWS = """
SELECT COALESCE(sum(part.reltuples) FILTER (WHERE part.reltuples >= 0), whole.reltuples)::bigint
FROM pg_class whole
LEFT JOIN pg_inherits ON inhparent = whole.oid
LEFT JOIN pg_class part ON part.oid = inhrelid
WHERE whole.oid = %s::regclass
GROUP BY whole.reltuples
"""


def rows(connection: BaseDatabaseWrapper, table: str) -> int | None:
    """Return the estimate, -1 if there is none yet; None if the database makes none.

    Database errors pass through.
    """
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, [connection.ops.quote_name(table)])
        [count] = cursor.fetchone()
    return int(count)
