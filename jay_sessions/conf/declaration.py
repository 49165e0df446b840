"""How a setting is declared, and how a site's value for it is read.

A setting is a field of a dataclass. `setting` makes the field, with all information about the setting. The
system checks, the page docs/settings.md and the variables of the example site are made from it.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

REQUIRED = dataclasses.MISSING
"""Stands for the default of a setting without one."""

_KEY = "jay_sessions"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting.

    `name` is the name in a site's settings, in capital letters; `type` is the type of the field. `parse`
    turns a site's value into the field's value, or raises ValueError: its message completes a sentence that
    begins with the name. `check` is the number of its system check, such as "E003"; `example` is a value as
    Python code; `meaning` is a text in Markdown. `default` is the field's value if a site does not set it.
    """

    name: str
    type: Any
    default: Any
    parse: Callable[[Any], Any]
    check: str
    example: str
    meaning: str


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the settings. `message` completes a sentence that begins with `name`."""

    name: str
    message: str


class Problems(ValueError):
    """Raised by a parser that reads several settings at once; `problems` has every mistake."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.name} {problem.message}" for problem in problems))
        self.problems = problems


def setting(
    parse: Callable[[Any], Any],
    *,
    check: str,
    example: str,
    meaning: str,
    default: Any = REQUIRED,
    default_factory: Any = REQUIRED,
    secret: bool = False,
) -> Any:
    """Return a field of a dataclass; `Setting` describes the arguments. `repr` leaves out a `secret`."""
    # dataclasses.field takes either a default or a factory; its stubs tell these calls apart.
    made: dict[str, Any] = {"default": default, "default_factory": default_factory, "repr": not secret}
    metadata = {_KEY: {"parse": parse, "check": check, "example": example, "meaning": meaning}}
    return dataclasses.field(**made, metadata=metadata)


@functools.cache
def declared(settings: type) -> Mapping[str, Setting]:
    """Return the settings that a dataclass declares, by name, in the order of its fields."""
    fields = [field for field in dataclasses.fields(settings) if _KEY in field.metadata]
    return MappingProxyType(
        {
            field.name.upper(): Setting(
                name=field.name.upper(), type=field.type, default=_default(field), **field.metadata[_KEY]
            )
            for field in fields
        }
    )


def _default(field: Any) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def read(settings: type, raw: object, where: str) -> tuple[dict[str, Any], list[Problem]]:
    """Return the valid values in `raw`, by the fields' names, and every mistake in it.

    `where` is the name of the setting with the value `raw`.
    """
    if not isinstance(raw, Mapping):
        return {}, [Problem(where, "must be a dict")]
    known = declared(settings)
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, value in raw.items():
        if name not in known:
            problems.append(Problem(str(name), f"is an unknown name in {where}"))
            continue
        try:
            values[name.lower()] = known[name].parse(value)
        except Problems as error:
            problems += error.problems
        except ValueError as error:
            problems.append(Problem(name, str(error)))
    return values, problems
