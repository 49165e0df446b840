"""`JAY_SESSIONS` from environment variables: `JAY_<NAME>`, and for the names in `ZEPHR`, `ZEPHR_<NAME>`.

The variables come from the fields that declare the settings. An empty variable counts as not set.
"""

import datetime
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from environs import Env

from jay_sessions.conf import Settings, ZephrSettings, declared
from jay_sessions.conf.parsers import THROTTLES
from jay_sessions.core.spans import Length
from jay_sessions.core.user_ids import Storage

env = Env()


class Variable(NamedTuple):
    """An environment variable, its setting, and the reader of its text.

    `key` is the key in the setting's dict, "" if the variable holds the whole value. `form` describes in
    Markdown how to write the text, "" if that is plain.
    """

    name: str
    setting: str
    read: Callable[[str], Any]
    form: str
    key: str = ""


def _words(variable: str) -> list[str]:
    return env.str(variable).replace(",", " ").split()


READERS: dict[Any, tuple[Callable[[str], Any], str]] = {
    bool: (env.bool, "`0` or `1`"),
    int: (env.int, ""),
    float: (env.float, ""),
    datetime.timedelta: (env.float, "seconds"),
    str: (env.str, ""),
    Length: (env.str, ""),
    Storage: (env.str, ""),
    Callable: (env.str, "its dotted path"),
    list: (_words, "separated by commas"),
    tuple: (env.json, "as JSON"),
    Mapping: (env.json, "as JSON"),
}
"""By the type of a setting's field: `read` and `form` of its variable."""


def variables(settings: type) -> Iterator[Variable]:
    """Yield the variables of the settings that a dataclass declares."""
    prefix = {Settings: "JAY_", ZephrSettings: "ZEPHR_"}[settings]
    for name, setting in declared(settings).items():
        if name == "THROTTLE_RATES":
            for key in THROTTLES:
                yield Variable(f"JAY_THROTTLE_{key.upper()}", name, env.str, "as `100/min`", key)
        elif name != "ZEPHR":
            yield Variable(prefix + name, name, *READERS[_kind(setting.type)])


def _kind(annotation: Any) -> Any:
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        annotation, _none = typing.get_args(annotation)
    return typing.get_origin(annotation) or annotation


def from_environment() -> dict[str, Any]:
    """Return `JAY_SESSIONS`. Raises EnvError for an invalid variable, or if one for Zephr is missing."""
    zephr = _values(ZephrSettings)
    if not zephr.keys() & {"TENANT", "BASE_URL"}:
        return {**_values(Settings), "ZEPHR": {}}
    keys = {name: env.str(f"ZEPHR_{name}") for name in ("ACCESS_KEY", "SECRET_KEY")}
    return {**_values(Settings), "ZEPHR": {**zephr, **keys}}


def _values(settings: type) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable in variables(settings):
        if not env.str(variable.name, ""):
            continue
        value = variable.read(variable.name)
        if variable.key:
            values.setdefault(variable.setting, {})[variable.key] = value
        else:
            values[variable.setting] = value
    return values
