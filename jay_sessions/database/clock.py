"""The time that all hosts share: the database's clock. SQLite has no clock, so there it is the host's.

Use it for times that one host writes and another one compares: the hosts' clocks may be hours apart. Use
`time.monotonic` for durations within a process. A session's start comes from the clock of its host.
"""

import datetime
from typing import Any

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

MARGIN = datetime.timedelta(hours=1)
"""The largest error of a host's clock for which no row is deleted too early."""


def now(alias: str) -> datetime.datetime:
    """Return the database's time, aware, in UTC. Database errors pass through."""
    connection = connections[alias]
    if not _has_one(connection):
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_SQL}")
        [moment] = cursor.fetchone()
    return moment.astimezone(datetime.UTC)  # type: ignore[no-any-return]


class DatabaseNow(models.Func):
    """The database's time as an expression inside a statement."""

    output_field = models.DateTimeField()

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **kwargs: Any) -> Any:
        if _has_one(connection):
            return _SQL, []
        sql: Any = compiler.compile(models.Value(timezone.now(), self.output_field))
        return sql


_SQL = "STATEMENT_TIMESTAMP()"


def _has_one(connection: BaseDatabaseWrapper) -> bool:
    return connection.vendor == "postgresql"
