"""Exports sessions as CSV or NDJSON, newest first, in constant memory for any number of sessions.

They are read in batches (see `database/keyset.py`), so no cursor stays open however slowly the client reads.
"""

import csv
import datetime
import enum
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .. import conf
from ..database import keyset
from ..database.errors import translating_errors
from ..models import TrackingSessionQuerySet
from ..models.zephr import FACTS
from .occurrences import EVERYWHERE, Spans

BATCH = 2000

_COLUMNS = {
    "session_id": "session_id",
    "started_at": "started_at",
    "ended_at": "end__ended_at",
    "end_reason": "end__reason",
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
"""All stored fields of a session: the column's name, and the path of its value."""

# Spreadsheets take these for the beginning of a formula, full-width forms included.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


class Format(enum.StrEnum):
    """The format of an export."""

    CSV = "csv"
    NDJSON = "ndjson"

    @property
    def content_type(self) -> str:
        """The media type for HTTP."""
        return "text/csv; charset=utf-8" if self is Format.CSV else "application/x-ndjson"


class Block(NamedTuple):
    """A piece of an export, in UTF-8, and the number of sessions in it."""

    data: bytes
    sessions: int


def blocks(
    rows: TrackingSessionQuerySet,
    form: Format,
    columns: Mapping[str, str] | None = None,
    spans: Spans = EVERYWHERE,
) -> Iterator[Block]:
    """Yield the export piece by piece, newest session first. All rows are in the spans.

    Raises StoreUnavailable if the database fails meanwhile.
    CSV is that of RFC 4180 with a header. A text that a spreadsheet would take for a formula, after
    apostrophes or not, gets an apostrophe in front. Times are ISO 8601 in UTC. Without `columns`, all are
    written; Zephr's data about a linked session is among them if the site links sessions.
    """
    if columns is None:
        columns = _columns()
    if form is Format.CSV:
        yield Block(_csv([list(columns)]), 0)
    values = rows.values_list(*columns.values())
    with translating_errors():
        for batch in _batches(values, spans):
            texts = ([_text(value) for value in row] for row in batch)
            if form is Format.CSV:
                yield Block(_csv([_harmless(text) for text in row] for row in texts), len(batch))
            else:
                yield Block(_ndjson(list(columns), texts), len(batch))


def _batches(values: Any, spans: Spans) -> Iterator[list[Any]]:
    for span in spans:
        yield from keyset.batches(span.of(values), "session_id", BATCH, descending=True)


def _columns() -> dict[str, str]:
    zephr = conf.get().zephr
    return _COLUMNS | (_ZEPHR_COLUMNS if zephr is not None and zephr.link_sessions else {})


def _text(value: Any) -> str | None:
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return None if value is None else str(value)


def _harmless(text: str | None) -> str | None:
    return f"'{text}" if text is not None and text.lstrip("'").startswith(_FORMULA) else text


def unguarded(text: str) -> str:
    """Return the original text of a CSV cell, without the apostrophe against formulas."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(_FORMULA) else text


def _csv(rows: Iterable[Sequence[str | None]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def _ndjson(names: Sequence[str], rows: Iterable[Sequence[str | None]]) -> bytes:
    lines = (json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode()
