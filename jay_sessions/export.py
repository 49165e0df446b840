"""Sessions as CSV or as lines of JSON, newest first, in constant memory however many there are.

They are read in batches, each of them a query of its own that begins where the last one ended: nothing
is kept open, neither cursor nor transaction, however slowly somebody reads the result.
"""

import csv
import datetime
import enum
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from . import conf
from .models import FACTS
from .querysets import TrackingSessionQuerySet
from .store import available

BATCH = 2000

_COLUMNS = {
    "session_id": "session_id",
    "started_at": "started_at",
    "ended_at": "ended_at",
    "playout_id": "playout_id",
    "provider_name": "provider_name",
    "user_id": "user_id",
    "source": "source",
    "api_key": "api_key__name",
}
_ZEPHR_COLUMNS = {f"zephr_{name}": f"zephr_session__{name}" for name in FACTS}

ALL_COLUMNS = {
    **_COLUMNS,
    "zephr_session_id": "zephr_session_id",
    "zephr_claimed_at": "zephr_session__claimed_at",
    "zephr_fetched_at": "zephr_session__fetched_at",
    **_ZEPHR_COLUMNS,
}
"""All that is stored of a session, by name, with where it is found."""

# What a spreadsheet takes for the beginning of a formula, full-width forms included.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


class Format(enum.StrEnum):
    """How the sessions are written."""

    CSV = "csv"
    NDJSON = "ndjson"

    @property
    def content_type(self) -> str:
        """What HTTP calls it."""
        return "text/csv; charset=utf-8" if self is Format.CSV else "application/x-ndjson"


class Block(NamedTuple):
    """A piece of an export, in UTF-8, and how many sessions are in it."""

    data: bytes
    sessions: int


def blocks(
    rows: TrackingSessionQuerySet, form: Format, columns: Mapping[str, str] | None = None
) -> Iterator[Block]:
    """Write the sessions, which are to come newest first, piece by piece.

    Raises StoreUnavailable where the database goes away meanwhile.
    CSV is that of RFC 4180 with a header; a text that a spreadsheet would take for a formula gets an
    apostrophe in front. Times are ISO 8601 in UTC. Unless `columns` are given, what Zephr said of a
    linked session is among them if the site links sessions.
    """
    if columns is None:
        columns = _columns()
    if form is Format.CSV:
        yield Block(_csv([list(columns)]), 0)
    for batch in _batches(rows, list(columns.values())):
        texts = ([_text(value) for value in row] for row in batch)
        if form is Format.CSV:
            yield Block(_csv([_harmless(text) for text in row] for row in texts), len(batch))
        else:
            yield Block(_ndjson(list(columns), texts), len(batch))


def _columns() -> dict[str, str]:
    zephr = conf.get().zephr
    return _COLUMNS | (_ZEPHR_COLUMNS if zephr is not None and zephr.link_sessions else {})


def _batches(rows: TrackingSessionQuerySet, lookups: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
    following = rows
    while True:
        with available():
            batch = list(following.values_list(*lookups)[:BATCH])
        if batch:
            yield batch
        if len(batch) < BATCH:
            return
        following = rows.filter(session_id__lt=batch[-1][0])


def _text(value: Any) -> str | None:
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return None if value is None else str(value)


def _harmless(text: str | None) -> str | None:
    return f"'{text}" if text is not None and text.startswith(_FORMULA) else text


def _csv(rows: Iterable[Sequence[str | None]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def _ndjson(names: Sequence[str], rows: Iterable[Sequence[str | None]]) -> bytes:
    lines = (json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode()
