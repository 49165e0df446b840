"""The statements that most requests need: constant text, and on PostgreSQL planned once per connection.

Django's own queries are written anew for each request, and its PostgreSQL backend sends values inside
the text, so that the server plans each of them again. Behind a pooler that gives each transaction
another connection, nothing can be planned ahead: `DISABLE_SERVER_SIDE_CURSORS`, which such sites set,
switches it off here as well.
"""

import datetime
import functools
import itertools
import re
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from .models import TrackingSession
from .tokens import format_time


class Row(NamedTuple):
    """A started session, as it is inserted: the columns and their values; its id as `str(UUID)` writes it."""

    session_id: str
    playout_id: str
    provider_name: str | None
    user_id: str | None
    source: str
    started_at: datetime.datetime
    api_key_id: int | None
    zephr_session_id: str | None

    def as_session(self) -> TrackingSession:
        """Return the session as a model's instance."""
        session = TrackingSession(**{**self._asdict(), "session_id": uuid.UUID(self.session_id)})
        session._state.adding = False
        return session


def insert(connection: BaseDatabaseWrapper, row: Row) -> None:
    """Insert one row. What the database raises passes through."""
    _run(connection, _insertion(1), _values(connection, [row]))


def insert_all(connection: BaseDatabaseWrapper, rows: Sequence[Row], *, again: bool = False) -> None:
    """Insert the rows with one statement: all of them, or none. For a connection of `shared.py`.

    With `again`, those that are there already are left out. What the database raises passes through.
    """
    conflict = " ON CONFLICT (session_id) DO NOTHING" if again else ""
    _run_raw(connection, _insertion(len(rows)) + conflict, _values(connection, rows))


class Planned(NamedTuple):
    """A statement as libpq takes it: with numbered places, and their values as PostgreSQL reads them."""

    sql: str
    values: list[bytes | None]


def insertion_of(rows: Sequence[Row]) -> Planned:
    """Return what `insert_all` does."""
    texts = [text for row in rows for text in _texts(row)]
    return Planned(_numbered(_insertion(len(rows))), texts)


def question_of(session_ids: Sequence[str]) -> Planned:
    """Return what `ended_of` asks, the ids being of the form that `str(UUID)` has."""
    return Planned(_numbered(_question(len(session_ids))), [one.encode() for one in session_ids])


def is_ended(connection: BaseDatabaseWrapper, session_id: str) -> bool:
    """Say whether the session was ended; one without a row was not."""
    return bool(_run(connection, _question(1), _ids(connection, [session_id])))


def ended_of(connection: BaseDatabaseWrapper, session_ids: Sequence[str]) -> set[str]:
    """Return those of the sessions that were ended. For a connection of `shared.py`."""
    found = _run_raw(connection, _question(len(session_ids)), _ids(connection, session_ids))
    return {str(one if isinstance(one, uuid.UUID) else uuid.UUID(one)) for (one,) in found}


_TABLE = TrackingSession._meta.db_table
_COLUMNS = ", ".join(Row._fields)


@functools.cache
def _insertion(count: int) -> str:
    marks = ", ".join([f"({', '.join(['%s'] * len(Row._fields))})"] * count)
    return f'INSERT INTO "{_TABLE}" ({_COLUMNS}) VALUES {marks}'  # noqa: S608 (our own names)


@functools.cache
def _question(count: int) -> str:
    marks = ", ".join(["%s"] * count)
    return f'SELECT session_id FROM "{_TABLE}" WHERE session_id IN ({marks}) AND ended_at IS NOT NULL'  # noqa: S608 (our own names)


def _texts(row: Row) -> tuple[bytes | None, ...]:
    session_id, playout_id, provider_name, user_id, source, started_at, api_key_id, zephr_session_id = row
    return (
        session_id.encode(),
        playout_id.encode(),
        None if provider_name is None else provider_name.encode(),
        None if user_id is None else user_id.encode(),
        source.encode(),
        f"{format_time(started_at)}Z".encode(),
        None if api_key_id is None else b"%d" % api_key_id,
        None if zephr_session_id is None else zephr_session_id.encode(),
    )


@functools.cache
def _numbered(sql: str) -> str:
    marks = itertools.count(1)
    return re.sub("%s", lambda _: f"${next(marks)}", sql)


@functools.cache
def _fields() -> list[Any]:
    by_column = {str(field.column): field for field in TrackingSession._meta.concrete_fields}
    return [by_column[name] for name in Row._fields]


def _ids(connection: BaseDatabaseWrapper, session_ids: Sequence[str]) -> list[Any]:
    if plans(connection):
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


def plans(connection: BaseDatabaseWrapper) -> bool:
    """Say whether statements are planned ahead over the connection: whether it is psycopg's to PostgreSQL."""
    if connection.vendor != "postgresql" or connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]:
        return False
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    return bool(is_psycopg3)


def _run(connection: Any, sql: str, values: list[Any]) -> list[Any]:
    if plans(connection):
        # As `connection.cursor()` does, but for a cursor of another class.
        connection.close_if_health_check_failed()
        connection.ensure_connection()
        cursor = connection._prepare_cursor(_planning_cursors()[0](connection.connection))
    else:
        cursor = connection.cursor()
    with cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


def _run_raw(connection: BaseDatabaseWrapper, sql: str, values: list[Any]) -> list[Any]:
    if not plans(connection):
        return _run(connection, sql, values)
    # Past Django's cursors: with this many values psycopg would write a statement anew each time, unless
    # it is one with numbered places.
    connection.ensure_connection()
    with connection.wrap_database_errors, _planning_cursors()[1](connection.connection) as cursor:
        cursor.execute(_numbered(sql), values)
        return cursor.fetchall() if cursor.description else []


@functools.cache
def _planning_cursors() -> tuple[Any, Any]:
    """Return classes of cursors that let the server plan a statement once, and of raw ones that do."""
    from psycopg import Cursor, RawCursor

    class Planning(Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
            # Django has switched it off for the connection, and it stays off for all others.
            threshold, self.connection.prepare_threshold = self.connection.prepare_threshold, 0
            try:
                return super().execute(query, params, prepare=True, **kwargs)
            finally:
                self.connection.prepare_threshold = threshold

    class RawPlanning(RawCursor, Planning):
        pass

    return Planning, RawPlanning
