"""Lists the distinct values of a column, as choices of a filter."""

from typing import Any, TypeVar, cast

from django.db import connections, models

Row = TypeVar("Row", bound=models.Model)


class ValuesQuerySet(models.QuerySet[Row]):
    """A queryset that lists the distinct values of a column."""

    def distinct_values(self, field: str, limit: int = 50, **equal: str) -> list[str]:
        """Return up to `limit` values of an indexed text column, sorted, without None.

        They are those of the rows with the values `equal` of other columns, which come first in the index. It
        jumps from one value to the next in the index; DISTINCT would read all rows. It works on PostgreSQL
        and SQLite.
        """
        connection = connections[self.db]
        quote = connection.ops.quote_name
        column = quote(cast(Any, self.model._meta.get_field(field)).column)
        table = quote(self.model._meta.db_table)
        where = " AND ".join(["TRUE", *(f"{quote(name)} = %s" for name in equal)])
        least = f"SELECT MIN({column}) FROM {table} WHERE {where}"  # noqa: S608 (our own names, quoted)
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH RECURSIVE seen(value) AS ({least} UNION ALL "  # noqa: S608 (our own names, quoted)
                f"SELECT ({least} AND {column} > seen.value) "
                "FROM seen WHERE seen.value IS NOT NULL) "
                "SELECT value FROM seen WHERE value IS NOT NULL LIMIT %s",
                [*equal.values(), *equal.values(), limit],
            )
            return [value for (value,) in cursor.fetchall()]
