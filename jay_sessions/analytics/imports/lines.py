"""Reads a file of sessions, written by `export.py` or another system, line by line: CSV or NDJSON.

Only one line at a time is in memory, whatever length the file claims for it.
"""

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any, BinaryIO, NamedTuple, cast

from ...core.secret_text import masked
from ...core.strict_json import refuse_constant
from ..export import ALL_COLUMNS, Format, unguarded

MAX_LINE = 65_536
"""Largest line in bytes."""

REQUIRED = ("started_at", "playout_id")
_NO_COMMAS = (";", "\t")
_INCOMPLETE = "INCOMPLETE:"
_GZIP = b"\x1f\x8b"
_BROKEN = (EOFError, OSError, zlib.error)
"""The exceptions for a compressed file that is cut off or not valid."""


class Line(NamedTuple):
    """A session's values by column, None for an empty one, and the number of its first line in the file."""

    number: int
    values: dict[str, str | None]

    def __repr__(self) -> str:
        return masked(self, "values")


class Problem(NamedTuple):
    """The problem of a line, and its column if it has one; it repeats no value."""

    number: int
    column: str | None
    message: str


class _Unreadable(Exception):
    """The rest of the file cannot be read either: a wrong header, an open quotation mark."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


def uncompressed(file: BinaryIO) -> BinaryIO:
    """Return a file that can be read from its beginning; a gzip file is decompressed."""
    is_gzip = file.read(len(_GZIP)) == _GZIP
    file.seek(0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=file)) if is_gzip else file


def format_of(name: str, file: BinaryIO) -> Format:
    """Return the format by the file's name, or else by its first character; reads from the beginning.

    Raises OSError.
    """
    for suffix in PurePath(name.lower().removesuffix(".gz")).suffixes[-1:]:
        if suffix in (".ndjson", ".jsonl"):
            return Format.NDJSON
        if suffix == ".csv":
            return Format.CSV
    try:
        beginning = file.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip()
    except _BROKEN as error:
        raise OSError(f"{name}: {error}") from error
    file.seek(0)
    return Format.NDJSON if not beginning or beginning.startswith(b"{") else Format.CSV


def read(file: BinaryIO, form: Format) -> Iterator[Line | Problem]:
    """Yield the sessions of a file, and the problems of the other lines."""
    try:
        yield from _csv(file) if form is Format.CSV else _ndjson(file)
    except _Unreadable as error:
        yield Problem(error.number, None, f"{error} The rest of the file is not read.")
    except _BROKEN as error:
        yield Problem(0, None, f"The file cannot be read: {error}")


def _texts(file: BinaryIO) -> Iterator[tuple[int, str]]:
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise _Unreadable(number, f"The line has more than {MAX_LINE:,} bytes.")
        # Invalid UTF-8 is reported later, with its column.
        text = line.decode("utf-8", "surrogateescape")
        if text.startswith(_INCOMPLETE):
            raise _Unreadable(number, "The export stopped here because the database failed.")
        yield number, text.removeprefix("\ufeff") if number == 1 else text


def _ndjson(file: BinaryIO) -> Iterator[Line | Problem]:
    for number, text in _texts(file):
        if not text.strip():
            continue
        try:
            parsed = json.loads(text, parse_constant=refuse_constant)
        except (ValueError, RecursionError):
            yield Problem(number, None, "Is not JSON.")
            continue
        yield _of_object(number, parsed)


def _of_object(number: int, parsed: Any) -> Line | Problem:
    if not isinstance(parsed, dict):
        return Problem(number, None, "Is not a JSON object.")
    for name, value in parsed.items():
        if name not in ALL_COLUMNS:
            return Problem(number, None, _unknown([name]))
        if not isinstance(value, str | None):
            return Problem(number, name, "Should be a string or null.")
    return Line(number, {name: value or None for name, value in parsed.items()})


def _csv(file: BinaryIO) -> Iterator[Line | Problem]:
    records = _records(file)
    _, header = next(records, (1, []))
    _check(header)
    for number, cells in records:
        if len(cells) == len(header):
            values = (unguarded(cell) or None for cell in cells)
            yield Line(number, dict(zip(header, values, strict=True)))
        elif cells:
            yield Problem(number, None, f"Has {len(cells)} cells, but the header has {len(header)}.")


def _records(file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """Yield the records, each with the number of its first line."""
    number, begin = 0, 1

    def lines() -> Iterator[str]:
        nonlocal number
        for number, text in _texts(file):  # noqa: B007 (is read below)
            yield text

    try:
        for cells in csv.reader(lines(), strict=True):
            yield begin, cells
            begin = number + 1
    except csv.Error as error:
        raise _Unreadable(begin, f"Is not CSV: {error}.") from error


def _check(header: Sequence[str]) -> None:
    # Spreadsheets use another separator in countries where numbers have a decimal comma.
    if len(header) == 1 and any(mark in header[0] for mark in _NO_COMMAS):
        raise _Unreadable(1, "Columns should be separated by commas.")
    if unknown := [name for name in header if name not in ALL_COLUMNS]:
        raise _Unreadable(1, _unknown(unknown))
    if missing := [name for name in REQUIRED if name not in header]:
        raise _Unreadable(1, f"The header lacks {' and '.join(missing)}.")
    if len(set(header)) < len(header):
        raise _Unreadable(1, "The header names a column twice.")


def _unknown(names: Sequence[str]) -> str:
    shown = ", ".join(ascii(name[:40]) for name in names[:3])
    return f"Has unknown columns: {shown}. Known columns: {', '.join(ALL_COLUMNS)}."
