"""What the ORM has no words for: the order and the operators of an index, and functions of the database."""

import datetime
from typing import Any

from django.db import models
from django.db.models.lookups import PostgresOperatorLookup

BYTEWISE = frozenset({"playout_id", "user_id"})
"""Columns whose index has the operator class `varchar_pattern_ops`."""


class NotBelow(PostgresOperatorLookup):
    """A text is another one or comes behind it, by code point; on PostgreSQL."""

    lookup_name = "not_below"
    postgres_operator = "~>=~"


class NotAbove(PostgresOperatorLookup):
    """A text is another one or comes before it, by code point; on PostgreSQL."""

    lookup_name = "not_above"
    postgres_operator = "~<=~"


class _Bytewise(models.expressions.OrderBy):
    """The order of an index with the operator class `varchar_pattern_ops`."""

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        operator = "~>~" if self.descending else "~<~"
        # Django's compiler takes an order apart where it finds ASC or DESC in it.
        template = f"%(expression)s USING {operator} /* %(ordering)s */"
        return self.as_sql(compiler, connection, template=template)


def along_index(field: str, *, descending: bool = True) -> list[Any]:
    """Return what to order by to read the index on `field` and the id, from its end unless told otherwise."""
    kind = _Bytewise if field in BYTEWISE else models.expressions.OrderBy
    return [kind(models.F(field), descending=descending), "-session_id" if descending else "session_id"]


class StepBegin(models.Func):
    """The first day of the step that a day lies in, where a period is cut into steps of some days."""

    output_field = models.DateField()

    def __init__(self, day: str, first: datetime.date, days: int) -> None:
        super().__init__(day, models.Value(first, models.DateField()), models.Value(days))

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **kwargs: Any) -> Any:
        day, first, days = (compiler.compile(part) for part in self.source_expressions)
        if connection.vendor == "sqlite":
            past = f"CAST(julianday({day[0]}) - julianday({first[0]}) AS INTEGER) %% {days[0]}"
            sql = f"date({day[0]}, '-' || ({past}) || ' days')"
        else:
            sql = f"({day[0]} - MOD({day[0]} - CAST({first[0]} AS date), {days[0]}))"
        return sql, [*day[1], *day[1], *first[1], *days[1]]


class CurrentTransaction(models.Func):
    """The id of the transaction that this stands in; 0 on SQLite."""

    output_field = models.BigIntegerField()

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **kwargs: Any) -> Any:
        return ("pg_current_xact_id()::text::bigint" if connection.vendor == "postgresql" else "0"), []
