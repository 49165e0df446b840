"""Readers for a query string's parameters: text becomes a value, or a problem that names its parameter."""

import datetime
import functools
import re
import zoneinfo
from collections.abc import Callable, Mapping
from typing import Any

from rest_framework.request import Request

from ..core.identifiers import check_text
from ..exceptions import InvalidValue
from .errors import BadParameter
from .request import last_value, raw_query

Reader = Callable[[str], Any]

_NO_PLACE = {"localtime", "Factory"}
"""Files beside the zones: the zone of the machine, and one that says that no zone was chosen."""

_NUMBER = re.compile("[0-9]{1,9}", re.ASCII)
_LAST_YEAR = 9998  # a time in this year can be converted to every zone


def read(request: Request, readers: Mapping[str, Reader]) -> dict[str, Any]:
    """Return the values of the present parameters, by name. If one is repeated, its last value counts.

    A blank value counts as absent. Raises BadParameter with all problems.
    """
    query, values, problems = raw_query(request._request), {}, []
    for name, reader in readers.items():
        try:
            text = _text(last_value(query, name))
            if text:
                values[name] = reader(text)
        except InvalidValue as error:
            problems.append(BadParameter.of(("query", name), error))
    if problems:
        raise problems[0].joined_by(problems[1:])
    return values


def _text(value: bytes | None) -> str:
    try:
        return check_text((value or b"").decode().strip())
    except UnicodeDecodeError as error:
        raise InvalidValue("string_unicode", "String should be valid UTF-8.") from error


def one_of(choices: Mapping[str, Any]) -> Reader:
    """Return a reader for a closed set of words."""

    def reader(text: str) -> Any:
        if text not in choices:
            raise InvalidValue("enum", f"Input should be {' or '.join(choices)}.")
        return choices[text]

    return reader


def number(least: int, most: int) -> Reader:
    """Return a reader for a whole number from `least` to `most`."""

    def reader(text: str) -> int:
        if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
            raise InvalidValue("int_range", f"Input should be a whole number from {least} to {most}.")
        return int(text)

    return reader


def moment(first_year: int) -> Reader:
    """Return a reader for a time in ISO 8601, from `first_year` on; without an offset it is naive."""

    def reader(text: str) -> datetime.datetime:
        try:
            value = datetime.datetime.fromisoformat(text)
        except ValueError as error:
            message = "Input should be a date and time in ISO 8601; a + in it is sent as %2B."
            raise InvalidValue("datetime_parsing", message) from error
        if not first_year <= value.year <= _LAST_YEAR:
            message = f"The year should be from {first_year} to {_LAST_YEAR}."
            raise InvalidValue("datetime_range", message)
        return value

    return reader


def in_zone(value: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime:
    """Return the time in UTC. A time without an offset is local time in `zone`."""
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(datetime.UTC)


def zone(text: str) -> datetime.tzinfo:
    """Return the IANA zone with this name. Raises InvalidValue."""
    if text == "UTC":
        # This works even if the machine has no list of zones.
        return datetime.UTC
    if text not in _zones():
        raise InvalidValue("timezone", "Input should be the name of an IANA time zone.")
    return zoneinfo.ZoneInfo(text)


@functools.cache
def _zones() -> frozenset[str]:
    # A name must be in a known set, because ZoneInfo() opens a file with that name.
    return frozenset(zoneinfo.available_timezones() - _NO_PLACE)
