"""Makes sessions from the lines of a file: checks each value, keeps ids, and makes missing ones."""

import datetime
import json
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from ... import conf
from ...core.identifiers import check_text, clean_playout_id, clean_user_id, clean_zephr_session_id
from ...core.secret_text import masked
from ...core.uuid7 import carries, moment_of, uuid7
from ...database.clock import MARGIN
from ...exceptions import InvalidValue
from ...models import ApiKey, Reason, TrackingSession
from .lines import Line, Problem
from .repeats import Repeats, bits_of

_EARLIEST = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class Row(NamedTuple):
    """A session to import, its end if it has one, and its user id as in the file."""

    number: int
    session: TrackingSession
    ended_at: datetime.datetime | None
    reason: Reason
    user_id: str | None
    has_lost_key: bool

    def __repr__(self) -> str:
        return masked(self, "user_id")


class Rows:
    """Makes sessions from the lines of one file. Equal lines without an id differ by their order."""

    def __init__(self, now: datetime.datetime, *, new_ids: bool) -> None:
        self._now = now
        self._new_ids = new_ids
        self._settings = conf.get()
        self._keys = _keys()
        self._repeats = Repeats()

    def close(self) -> None:
        """Forget the lines that were seen."""
        self._repeats.close()

    def row(self, line: Line) -> Row | list[Problem]:
        """Return the session, or all its problems."""
        problems: list[Problem] = []

        def value(name: str, clean: Callable[[str | None], Any]) -> Any:
            try:
                return clean(line.values.get(name))
            except InvalidValue as error:
                problems.append(Problem(line.number, name, error.message))

        started_at = value("started_at", self._started_at)
        user_id = value("user_id", clean_user_id)
        session = TrackingSession(
            started_at=started_at,
            playout_id=value("playout_id", _playout_id),
            source=value("source", lambda text: check_text(text or self._settings.source)),
            user_id=value("user_id", lambda _: self._settings.user_ids.imported(user_id)),
            zephr_session_id=value("zephr_session_id", lambda text: text and clean_zephr_session_id(text)),
        )
        ended_at = value("ended_at", lambda text: self._ended_at(text, started_at))
        reason = value("end_reason", _reason)
        if not problems:
            session.provider_name = value("provider_name", lambda text: _provider(line, text))
            session.session_id = value("session_id", lambda text: self._id(text, line, session))
        if problems:
            return problems
        key = line.values.get("api_key")
        session.api_key_id = self._keys.get(key or "")
        has_lost_key = key is not None and session.api_key_id is None
        return Row(line.number, session, ended_at, reason, user_id, has_lost_key)

    def _started_at(self, text: str | None) -> datetime.datetime:
        if text is None:
            raise InvalidValue("missing", "Is missing.")
        return self._moment(text)

    def _ended_at(self, text: str | None, started_at: datetime.datetime | None) -> datetime.datetime | None:
        if text is None:
            return None
        moment = self._moment(text)
        if started_at is not None and moment < started_at:
            raise InvalidValue("before_start", "Should not be before started_at.")
        return moment

    def _moment(self, text: str) -> datetime.datetime:
        try:
            moment = datetime.datetime.fromisoformat(text)
        except ValueError as error:
            raise InvalidValue("datetime_parsing", "Should be a date and time in ISO 8601.") from error
        if moment.tzinfo is None:
            raise InvalidValue("datetime_offset", "Should have an offset, such as Z or +01:00.")
        # A host with a clock that is ahead may have exported a session that starts in our future.
        if not _EARLIEST <= moment <= self._now + MARGIN:
            raise InvalidValue("datetime_range", "Should be neither before 1970 nor in the future.")
        return moment.astimezone(datetime.UTC)

    def _id(self, text: str | None, line: Line, session: TrackingSession) -> uuid.UUID:
        if text is None:
            return uuid7(session.started_at, self._repeats.bits(_identity(line, session)))
        try:
            session_id = uuid.UUID(text)
        except ValueError as error:
            raise InvalidValue("uuid_parsing", "Should be a UUID.") from error
        if carries(session_id, session.started_at):
            return session_id
        if not self._new_ids:
            raise InvalidValue("id_time", _other_time(session_id))
        return uuid7(session.started_at, bits_of(session_id.bytes))


def _other_time(session_id: uuid.UUID) -> str:
    carried = moment_of(session_id).isoformat(timespec="milliseconds")
    says = (
        f"contains {carried}, which is not started_at" if session_id.version == 7 else "is not of version 7"
    )
    return f"The id {says}. With --new-ids a new id replaces it, the same in each run."


def _playout_id(text: str | None) -> str:
    if text is None:
        raise InvalidValue("missing", "Is missing.")
    return clean_playout_id(text)


def _reason(text: str | None) -> Reason:
    # Files of other systems have no such column.
    if text not in (None, *Reason.values):
        raise InvalidValue("enum", f"Should be one of {', '.join(Reason.values)}.")
    return Reason(text or Reason.CLIENT)


def _provider(line: Line, text: str | None) -> str | None:
    # A file without this column gets the provider of a new session.
    return (
        text and check_text(text)
        if "provider_name" in line.values
        else conf.get().provider_name(str(line.values["playout_id"]))
    )


def _keys() -> dict[str, int | None]:
    """Return the keys by their names; None for a name of several keys."""
    keys: dict[str, int | None] = {}
    for name, pk in ApiKey.objects.primary().values_list("name", "pk"):
        keys[name] = None if name in keys else pk
    return keys


def _identity(line: Line, session: TrackingSession) -> bytes:
    # Without the user, as the id would reveal it. Without the end, as only a later export may have it.
    names = ("playout_id", "provider_name", "source", "api_key")
    return json.dumps([session.started_at.isoformat(), *(line.values.get(name) for name in names)]).encode()
