"""SQL that Django's ORM lacks: the order and operators of an index, and some database functions."""

from typing import Any

from django.db import models
from django.db.models.lookups import PostgresOperatorLookup

from ..core.uuid7 import LATEST


class NotBelow(PostgresOperatorLookup):
    """A text is equal to another one or sorts after it, by code point; only on PostgreSQL."""

    lookup_name = "not_below"
    postgres_operator = "~>=~"


class NotAbove(PostgresOperatorLookup):
    """A text is equal to another one or sorts before it, by code point; only on PostgreSQL."""

    lookup_name = "not_above"
    postgres_operator = "~<=~"


class _Bytewise(models.expressions.OrderBy):
    """The order of an index with the operator class `varchar_pattern_ops`."""

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        operator = "~>~" if self.descending else "~<~"
        # Django's compiler looks for ASC or DESC in an order.
        template = f"%(expression)s USING {operator} /* %(ordering)s */"
        return self.as_sql(compiler, connection, template=template)


def along_index(field: str, *, descending: bool = True) -> list[Any]:
    """Return arguments of `order_by` that follow the index on `field` and the id, by default from its end.

    `field` is `playout_id` or `user_id`.
    """
    order = _Bytewise(models.F(field), descending=descending)
    return [order, "-session_id" if descending else "session_id"]


class WithoutIndex(models.Func):
    """A text column; comparisons with it use no index, whatever the database expects of one."""

    output_field = models.CharField()
    template = "(%(expressions)s || '')"


class CarriedStart(models.Func):
    """The time in a session's id, to the second, as `uuid7.moment_of` reads it."""

    output_field = models.DateTimeField()
    _LATEST = int(LATEST.timestamp())

    def as_postgresql(self, compiler: Any, connection: Any, **kwargs: Any) -> Any:
        digits = "translate(left(%(expressions)s::text, 13), '-', '')"
        seconds = f"LEAST(('x' || {digits})::bit(48)::bigint / 1000, {self._LATEST})"
        template = f"to_timestamp({seconds})"
        return self.as_sql(compiler, connection, template=template, **kwargs)

    def as_sqlite(self, compiler: Any, connection: Any, **kwargs: Any) -> Any:
        # On SQLite an id is 32 hexadecimal digits, and SQLite can convert only one digit at a time.
        digits = (
            f"(instr('123456789abcdef', substr(%(expressions)s, {number + 1}, 1)) << {44 - 4 * number})"
            for number in range(12)
        )
        seconds = f"min(({' | '.join(digits)}) / 1000, {self._LATEST})"
        template = f"strftime('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%S', {seconds}, 'unixepoch')"
        return self.as_sql(compiler, connection, template=template, **kwargs)


class TransactionNumber(models.Func):
    """A number that grows with time: on PostgreSQL the id of the current transaction.

    On SQLite it is the current time in microseconds, but at least one more than the highest stored number.
    """

    output_field = models.BigIntegerField()
    POSTGRESQL = "pg_current_xact_id()::text::bigint"
    SQLITE = (
        'max((SELECT COALESCE(max("transaction"), 0) + 1 FROM jay_ended_session), '
        "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))"
    )

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **kwargs: Any) -> Any:
        return (self.POSTGRESQL if connection.vendor == "postgresql" else self.SQLITE), []


class InSnapshot(models.Func):
    """Whether a snapshot of PostgreSQL shows what a transaction, given by its number, has done."""

    output_field = models.BooleanField()

    def __init__(self, number: str, snapshot: str) -> None:
        super().__init__(number, models.Value(snapshot))

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **kwargs: Any) -> Any:
        number, snapshot = (compiler.compile(part) for part in self.source_expressions)
        sql = f"pg_visible_in_snapshot(({number[0]})::text::xid8, ({snapshot[0]})::text::pg_snapshot)"
        return sql, [*number[1], *snapshot[1]]
