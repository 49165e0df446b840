"""The most frequent statements. Their text is constant, so PostgreSQL plans them once per connection."""

import datetime
import functools
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

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
    prepared.run(connection, _insertion(1) + (_UNLESS_THERE if again else ""), _values(connection, [row]))


def insert_all(connection: BaseDatabaseWrapper, rows: Sequence[Row], *, again: bool = False) -> None:
    """Insert all rows or none, with one statement, over a connection of `database/connections.py`.

    With `again`, rows that exist already are left out. Database errors pass through.
    """
    sql = _insertion(len(rows)) + (_UNLESS_THERE if again else "")
    prepared.run_raw(connection, sql, _values(connection, rows))


def insert_query(rows: Sequence[Row]) -> prepared.Planned:
    """Return the statement and values of `insert_all`."""
    sql = prepared.numbered(_insertion(len(rows)))
    return prepared.Planned(sql, [value for row in rows for value in row])


def end(connection: BaseDatabaseWrapper, session_id: uuid.UUID, reason: str, now: datetime.datetime) -> bool:
    """Store the end of a session, unless there is one; return whether there was none."""
    values = [session_id, now, reason]
    if connection.vendor == "postgresql":
        return bool(prepared.change(connection, _end(TransactionNumber.POSTGRESQL), values))
    fields: list[Any] = [EndedSession._meta.get_field(name) for name in ("session", "ended_at", "reason")]
    prepped = [field.get_db_prep_save(value, connection) for field, value in zip(fields, values, strict=True)]
    return bool(prepared.change(connection, _end(TransactionNumber.SQLITE), prepped))


def ended_query(session_ids: Sequence[str]) -> prepared.Planned:
    """Return the statement and values of `ended_of`. The ids have the form of `str(UUID)`."""
    sql = prepared.numbered(_question(len(session_ids)))
    return prepared.Planned(sql, list(session_ids))


def is_ended(connection: BaseDatabaseWrapper, session_id: str) -> bool:
    """Say whether the session was ended."""
    return bool(prepared.run(connection, _question(1), _ids(connection, [session_id])))


def ended_of(connection: BaseDatabaseWrapper, session_ids: Sequence[str]) -> set[str]:
    """Return the ids of those sessions that were ended, over a connection of `database/connections.py`."""
    rows = prepared.run_raw(connection, _question(len(session_ids)), _ids(connection, session_ids))
    return {
        str(session_id if isinstance(session_id, uuid.UUID) else uuid.UUID(session_id))
        for (session_id,) in rows
    }


_TABLE = TrackingSession._meta.db_table
_COLUMNS = ", ".join(Row._fields)
_ENDS = EndedSession._meta.db_table
_UNLESS_THERE = " ON CONFLICT (session_id) DO NOTHING"
_END = f'INSERT INTO "{_ENDS}" (session_id, ended_at, reason, "transaction") VALUES (%s, %s, %s, {{}})'  # noqa: S608 (our own names)


@functools.cache
def _end(number: str) -> str:
    columns = 'session_id, ended_at, reason, "transaction"'
    return f'INSERT INTO "{_ENDS}" ({columns}) VALUES (%s, %s, %s, {number})' + _UNLESS_THERE  # noqa: S608 (our own names)


@functools.cache
def _insertion(count: int) -> str:
    marks = ", ".join([f"({', '.join(['%s'] * len(Row._fields))})"] * count)
    return f'INSERT INTO "{_TABLE}" ({_COLUMNS}) VALUES {marks}'  # noqa: S608 (our own names)


@functools.cache
def _question(count: int) -> str:
    marks = ", ".join(["%s"] * count)
    return f'SELECT session_id FROM "{_ENDS}" WHERE session_id IN ({marks})'  # noqa: S608 (our own names)


@functools.cache
def _fields() -> list[Any]:
    by_column = {str(field.column): field for field in TrackingSession._meta.concrete_fields}
    return [by_column[name] for name in Row._fields]


def _ids(connection: BaseDatabaseWrapper, session_ids: Sequence[str]) -> list[Any]:
    if connection.vendor == "postgresql":
        return list(session_ids)
    return [_fields()[0].get_db_prep_value(session_id, connection) for session_id in session_ids]


def _values(connection: BaseDatabaseWrapper, rows: Sequence[Row]) -> list[Any]:
    if connection.vendor == "postgresql":
        return [value for row in rows for value in row]
    return [
        field.get_db_prep_save(value, connection)
        for row in rows
        for field, value in zip(_fields(), row, strict=True)
    ]
