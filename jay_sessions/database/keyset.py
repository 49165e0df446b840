"""Reads many rows in batches, without a cursor or a transaction that stays open."""

from collections.abc import Iterator
from typing import TypeVar

from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)
T = TypeVar("T")


def batches(rows: QuerySet[M, T], key: str, size: int, *, descending: bool = False) -> Iterator[list[T]]:
    """Yield the rows in lists of `size`. Each query begins after the last row of the previous one.

    `rows` is a `values_list` with the unique column `key` first, ordered by it; set `descending` for the
    descending order. The loop may change or delete the rows that it gets. Database errors pass through.
    """
    beyond = f"{key}__lt" if descending else f"{key}__gt"
    following = rows
    while batch := list(following[:size]):
        yield batch
        if len(batch) < size:
            # These were the last rows. If no index serves the filter, one more query reads the whole table.
            return
        last = batch[-1]
        following = rows.filter(**{beyond: last[0] if isinstance(last, tuple) else last})
