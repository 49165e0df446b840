"""A Zephr session as tables for a page. Each value is short and each table limited, whatever it holds.

Some things are not defined on Zephr's reference page, for example the parts of a meter. They are shown under
Zephr's own names.
"""

import dataclasses
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib.admin.utils import display_for_value
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...zephr.session import DeviceSession, ZephrSession

MAX_ROWS = 100
MAX_COLUMNS = 8
"""Most columns of a table with column names from Zephr."""

MAX_LENGTH = 200
"""Most characters of a value."""

MAX_RAW_LENGTH = 100_000
"""Most characters of the JSON as text."""

NOTHING = "-"

Text = str | Promise

_LEFT = re.compile("remaining|left|balance", re.IGNORECASE)
_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])")
_NAME = re.compile("[A-Za-z][A-Za-z0-9_]*")

_WHO = frozenset({"user_id", "authenticated", "tenantId", "subTenantId", "last_updated", "v"})
_PARTS: Mapping[str, Text] = {
    "session_variables": gettext_lazy("Session variables"),
    "test_groups": gettext_lazy("Test groups"),
    "second_party_data": gettext_lazy("Second-party data"),
}
_ACCESS_PARTS: Mapping[str, Text] = {
    "meters": gettext_lazy("Meters"),
    "credits": gettext_lazy("Credits"),
    "granted_bundles": gettext_lazy("Granted bundles"),
    "jwt_bundles": gettext_lazy("JWT bundles"),
}
_KNOWN = _WHO | set(_PARTS) | {"sessions", "access_model"}
_KNOWN_OF_ACCESS = set(_ACCESS_PARTS) | {"delivered_entitlements", "user_state"}


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """Rows of equal length; the first cell is a row's name. Without `columns`, a row is a name and a value.

    `total` is the number of rows without the limit.
    """

    title: Text
    columns: Sequence[Text]
    rows: Sequence[Sequence[str]]
    total: int

    @property
    def more(self) -> str:
        """The number of omitted rows, as text; empty if there are none."""
        left_out = self.total - len(self.rows)
        return number_format(left_out, force_grouping=True) if left_out else ""


def tables(raw: Mapping[str, Any]) -> list[Table]:
    """Return the tables for a session as Zephr sent it; tables of lists may be empty. Raises nothing."""
    access = _mapping(raw.get("access_model"))
    others = {name: value for name, value in raw.items() if name not in _KNOWN}
    others |= {
        f"access_model.{name}": value for name, value in access.items() if name not in _KNOWN_OF_ACCESS
    }
    return [
        _who(raw, access),
        _devices(raw.get("sessions")),
        _entitlements(access.get("delivered_entitlements")),
        *(_free(title, access.get(name)) for name, title in _ACCESS_PARTS.items()),
        *(_free(title, raw.get(name)) for name, title in _PARTS.items()),
        *([_free(_("Other fields"), others)] if others else []),
    ]


def as_text(raw: Mapping[str, Any]) -> tuple[str, bool]:
    """Return a session's JSON, indented, and whether it is cut off."""
    pieces, length = [], 0
    # Piece by piece: deep in an array, the indentation is much longer than the text.
    for piece in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(raw):
        pieces.append(piece)
        length += len(piece)
        if length > MAX_RAW_LENGTH:
            return "".join(pieces)[:MAX_RAW_LENGTH], True
    return "".join(pieces), False


def _who(raw: Mapping[str, Any], access: Mapping[str, Any]) -> Table:
    updated = ZephrSession.parse(raw).last_updated_at
    rows = [
        (_("User id"), _show(raw.get("user_id"))),
        (_("Authenticated"), _show(raw.get("authenticated"))),
        (_("User state"), _show(access.get("user_state"))),
        (_("Tenant"), _show(raw.get("tenantId"))),
        (_("Sub-tenant"), _show(raw.get("subTenantId"))),
        (_("Last updated"), _show(raw.get("last_updated")) if updated is None else _show(updated)),
    ]
    return Table(_("User"), (), rows, len(rows))


def _devices(value: Any) -> Table:
    devices = _mappings(value)
    columns = (_("Device"), _("State"), _("Browser"), _("System"), _("Place"), _("Started"), _("Expires"))
    return Table(_("Devices"), columns, [_device(device) for device in devices[:MAX_ROWS]], len(devices))


def _device(device: Mapping[str, Any]) -> list[str]:
    parsed = DeviceSession.parse(device)
    name, kind = device.get("deviceName"), device.get("device")
    places = filter(_is_text, map(device.get, ("city", "geoState", "country")))
    return [
        f"{_shorten(name)} ({_shorten(kind)})" if _is_text(name) and _is_text(kind) else _show(name or kind),
        _show(device.get("state")),
        _show(device.get("browser")),
        _show(device.get("os")),
        ", ".join(map(_shorten, dict.fromkeys(places))) or NOTHING,
        _show(parsed.start_date or device.get("startDate")),
        _show(parsed.expiry_date or device.get("expiryDate")),
    ]


def _entitlements(value: Any) -> Table:
    rows = _mappings(value)
    shown = [(_show(row.get("id")), _without(row, "id")) for row in rows[:MAX_ROWS]]
    return _grid(_("Entitlements"), _("Entitlement"), shown, len(rows))


def _free(title: Text, value: Any) -> Table:
    if isinstance(value, dict):
        items = [(_shorten(name), item) for name, item in itertools.islice(value.items(), MAX_ROWS)]
        if items and all(isinstance(item, dict) for _name, item in items):
            return _grid(title, _("Name"), items, len(value))
        return Table(title, (_("Name"), _("Value")), [(n, _show(item)) for n, item in items], len(value))
    values = value if isinstance(value, list) else [] if value is None else [value]
    return Table(title, (_("Value"),), [[_show(item)] for item in values[:MAX_ROWS]], len(values))


def _grid(title: Text, head: Text, rows: Sequence[tuple[str, Mapping[str, Any]]], total: int) -> Table:
    names = dict.fromkeys(name for _head, row in rows for name in row)
    # Names about what remains come first, as operators look for them. Sorting keeps the order of the rest.
    ordered = sorted(names, key=lambda name: not _LEFT.search(name))
    columns, rest = ordered[:MAX_COLUMNS], set(ordered[MAX_COLUMNS:])
    cells = [
        [
            head_of_row,
            *(_strong(name, _show(row.get(name))) for name in columns),
            *([_show({name: row[name] for name in row if name in rest})] if rest else []),
        ]
        for head_of_row, row in rows
    ]
    titles = [head, *map(_in_words, columns), *([_("Further")] if rest else [])]
    return Table(title, titles, cells, total)


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return display_for_value(value, NOTHING, boolean=True)
    if value in (None, "", [], {}):
        return NOTHING
    if isinstance(value, str | int | float):
        return _shorten(value)
    if isinstance(value, list) and all(map(_is_text, value)):
        return _shorten(", ".join(value))
    if isinstance(value, dict | list):
        return format_html("<code>{}</code>", _compact(value))
    return display_for_value(value, NOTHING)


def _strong(name: str, shown: str) -> str:
    return format_html("<strong>{}</strong>", shown) if _LEFT.search(name) else shown


def _compact(value: Any) -> str:
    pieces: Iterable[str] = json.JSONEncoder(ensure_ascii=False).iterencode(value)
    # Each piece has at least one character, so this is longer than the shown text.
    return _shorten("".join(itertools.islice(pieces, MAX_LENGTH + 1)))


def _shorten(value: Any) -> str:
    text = str(value)
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}…"


def _in_words(name: str) -> str:
    if not _NAME.fullmatch(name):
        return _shorten(name)
    words = " ".join(word if word.isupper() else word.lower() for word in _WORDS.findall(name))
    return _shorten(capfirst(words))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _without(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return {other: value for other, value in row.items() if other != name}
