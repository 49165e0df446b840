"""The most frequent statements. Their text is constant, so PostgreSQL plans them once per connection."""

import datetime
import functools
import uuid
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django.db import IntegrityError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from ..core.secret_text import masked
from ..database import prepared
from ..models import EndedSession, TrackingSession
from ..models.expressions import TransactionNumber


class Row(NamedTuple):
    """A new session's row: the columns and their values. `session_id` has the form of `str(UUID)`."""

    session_id: str
    playout_id: str
    provider_name: str | None
    user_id: str | None
    source: str
    started_at: datetime.datetime
    api_key_id: int | None
    zephr_session_id: str | None

    def __repr__(self) -> str:
        return masked(self, "user_id", "zephr_session_id")

    def as_session(self) -> TrackingSession:
        """Return the session as an instance of the model."""
        session = TrackingSession(**{**self._asdict(), "session_id": uuid.UUID(self.session_id)})
        session._state.adding = False
        return session


def insert(connection: BaseDatabaseWrapper, row: Row, *, again: bool = False) -> None:
    """Insert one row; with `again`, unless it exists already. Database errors pass through."""
    prepared.run(
        connection,
        _insertion(1) + (_UNLESS_THERE if again else ""),
        _values(connection, TrackingSession, [row]),
    )


def insert_all(connection: BaseDatabaseWrapper, rows: Sequence[Row], *, again: bool = False) -> None:
    """Insert all rows or none, with one statement, over a connection of `database/connections.py`.

    With `again`, rows that exist already are left out. Database errors pass through.
    """
    sql = _insertion(len(rows)) + (_UNLESS_THERE if again else "")
    prepared.run_raw(connection, sql, _values(connection, TrackingSession, rows))


def insert_query(rows: Sequence[Row]) -> prepared.Planned:
    """Return the statement and values of `insert_all`."""
    sql = prepared.numbered(_insertion(len(rows)))
    return prepared.Planned(sql, [value for row in rows for value in row])


class End(NamedTuple):
    """A new end of a session. `session_id` has the form of `str(UUID)`, `ended_at` is aware."""

    session_id: str
    ended_at: datetime.datetime
    reason: str


def end(connection: BaseDatabaseWrapper, new: End, *, again: bool = False) -> bool:
    """Store the end of a session, unless there is one; return whether there was none.

    With `again`, it may be stored already: then it counts as new. Database errors pass through.
    """
    return bool(_end_all(connection, [new], prepared.run, again=again))


def end_all(connection: BaseDatabaseWrapper, new: Sequence[End], *, again: bool = False) -> set[str]:
    """As `end` for many, over a connection of `database/connections.py`; return the ids with new ends."""
    return _end_all(connection, new, prepared.run_raw, again=again)


Run = Callable[[BaseDatabaseWrapper, str, list[Any]], list[Any]]


def _end_all(connection: BaseDatabaseWrapper, new: Sequence[End], run: Run, *, again: bool) -> set[str]:
    # In the order of their ids, so that two writers cannot wait for each other.
    ordered = sorted(new)
    values, count = _values(connection, EndedSession, ordered), len(ordered)
    is_postgresql = connection.vendor == "postgresql"
    number = TransactionNumber.POSTGRESQL if is_postgresql else TransactionNumber.SQLITE
    # In a transaction, also one that the site began by hand, an error would spoil the rest of it.
    if is_postgresql and connection.get_autocommit():
        try:
            rows = run(connection, _ending_where_none(count), values)
        except IntegrityError:
            # Another process has ended one of them at the same time.
            rows = run(connection, _ending_unless_there(count, number), values)
    else:
        rows = run(connection, _ending_unless_there(count, number), values)
    if again:
        # Those that are stored just like this are this caller's.
        rows = [*rows, *run(connection, _same_ends(count), values)]
    return _texts(rows)


def ended_query(session_ids: Sequence[str]) -> prepared.Planned:
    """Return the statement and values of `ended_of`. The ids have the form of `str(UUID)`."""
    sql = prepared.numbered(_question(len(session_ids)))
    return prepared.Planned(sql, list(session_ids))


def is_ended(connection: BaseDatabaseWrapper, session_id: str) -> bool:
    """Say whether the session was ended."""
    return bool(prepared.run(connection, _question(1), _ids(connection, [session_id])))


def ended_of(connection: BaseDatabaseWrapper, session_ids: Sequence[str]) -> set[str]:
    """Return the ids of those sessions that were ended, over a connection of `database/connections.py`."""
    return _texts(prepared.run_raw(connection, _question(len(session_ids)), _ids(connection, session_ids)))


def _texts(rows: Sequence[Any]) -> set[str]:
    return {str(found if isinstance(found, uuid.UUID) else uuid.UUID(found)) for (found,) in rows}


_TABLE = TrackingSession._meta.db_table
_COLUMNS = ", ".join(Row._fields)
_ENDS = EndedSession._meta.db_table
_END_COLUMNS = 'session_id, ended_at, reason, "transaction"'
_UNLESS_THERE = " ON CONFLICT (session_id) DO NOTHING"


@functools.cache
def _ending_where_none(count: int) -> str:
    """Return a statement that fails if another process ends one of the sessions at the same time.

    PostgreSQL writes less than with ON CONFLICT: 252 bytes of WAL an end instead of 300 (bench.growth).
    """
    marks = ", ".join(["(%s::uuid, %s::timestamptz, %s::varchar)"] * count)
    return (
        f'INSERT INTO "{_ENDS}" ({_END_COLUMNS}) '  # noqa: S608 (our own names)
        f"SELECT new.*, number.* FROM (VALUES {marks}) AS new (session_id, ended_at, reason), "
        f"(SELECT {TransactionNumber.POSTGRESQL}) AS number WHERE "
        # Not a join, which might read all ends.
        f'(SELECT TRUE FROM "{_ENDS}" AS stored WHERE stored.session_id = new.session_id LIMIT 1) IS NULL '
        "ORDER BY 1 RETURNING session_id"
    )


@functools.cache
def _ending_unless_there(count: int, number: str) -> str:
    marks = ", ".join([f"(%s, %s, %s, {number})"] * count)
    return f'INSERT INTO "{_ENDS}" ({_END_COLUMNS}) VALUES {marks}{_UNLESS_THERE} RETURNING session_id'  # noqa: S608 (our own names)


@functools.cache
def _same_ends(count: int) -> str:
    marks = ", ".join(["(%s, %s, %s)"] * count)
    return f'SELECT session_id FROM "{_ENDS}" WHERE (session_id, ended_at, reason) IN ({marks})'  # noqa: S608 (our own names)


@functools.cache
def _insertion(count: int) -> str:
    marks = ", ".join([f"({', '.join(['%s'] * len(Row._fields))})"] * count)
    return f'INSERT INTO "{_TABLE}" ({_COLUMNS}) VALUES {marks}'  # noqa: S608 (our own names)


@functools.cache
def _question(count: int) -> str:
    marks = ", ".join(["%s"] * count)
    return f'SELECT session_id FROM "{_ENDS}" WHERE session_id IN ({marks})'  # noqa: S608 (our own names)


@functools.cache
def _fields(model: type[Model], columns: tuple[str, ...]) -> list[Any]:
    by_column = {str(field.column): field for field in model._meta.concrete_fields}
    return [by_column[name] for name in columns]


def _ids(connection: BaseDatabaseWrapper, session_ids: Sequence[str]) -> list[Any]:
    if connection.vendor == "postgresql":
        return list(session_ids)
    pk: Any = TrackingSession._meta.pk
    return [pk.get_db_prep_value(session_id, connection) for session_id in session_ids]


def _values(connection: BaseDatabaseWrapper, model: type[Model], rows: Sequence[Row | End]) -> list[Any]:
    if connection.vendor == "postgresql":
        return [value for row in rows for value in row]
    return [
        field.get_db_prep_save(value, connection)
        for row in rows
        for field, value in zip(_fields(model, row._fields), row, strict=True)
    ]
