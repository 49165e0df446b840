"""Lists the distinct values of a column, as choices of a filter."""

from typing import Any, TypeVar, cast

from django.db import connections, models

Row = TypeVar("Row", bound=models.Model)


class ValuesQuerySet(models.QuerySet[Row]):
    """A queryset that lists the distinct values of a column."""

    def distinct_values(self, field: str, limit: int = 50) -> list[str]:
        """Return up to `limit` values of an indexed text column in the whole table, sorted, without None.

        It jumps from one value to the next in the index; DISTINCT would read all rows. It works on PostgreSQL
        and SQLite.
        """
        connection = connections[self.db]
        quote = connection.ops.quote_name
        column = quote(cast(Any, self.model._meta.get_field(field)).column)
        table = quote(self.model._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH RECURSIVE seen(value) AS (SELECT MIN({column}) FROM {table} UNION ALL "  # noqa: S608 (our own names, quoted)
                f"SELECT (SELECT MIN({column}) FROM {table} WHERE {column} > seen.value) "
                "FROM seen WHERE seen.value IS NOT NULL) "
                "SELECT value FROM seen WHERE value IS NOT NULL LIMIT %s",
                [limit],
            )
            return [value for (value,) in cursor.fetchall()]
