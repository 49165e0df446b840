"""System checks: what is wrong with `JAY_SESSIONS`, and the line to type instead.

E001 stands for the setting itself, E019 for a name that is none. `setting_names.py` has the numbers of the
names, `site_checks.py` the checks of the site around it.
"""

import difflib
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, register

from . import conf
from .setting_names import NAMES, ZEPHR_NAMES

WHOLE_SETTING = "E001"
UNKNOWN_NAME = "E019"


@register()
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Name everything that is wrong with `JAY_SESSIONS`."""
    _, problems = parsed()
    return [_error(problem) for problem in problems]


def parsed() -> tuple[dict[str, Any], list[conf.Problem]]:
    """Return what of the setting is right, by the names of `conf.Settings`, and all that is wrong."""
    return conf.parse(getattr(settings, conf.NAME, {}))


def _error(problem: conf.Problem) -> CheckMessage:
    message = f"{conf.NAME}: {problem.name} {problem.message}."
    if found := example(problem.name):
        number, line = found
        return checks.Error(message, hint=f"Write, for example: {line}", id=f"jay_sessions.{number}")
    known = [conf.NAME, *NAMES, *ZEPHR_NAMES]
    close = difflib.get_close_matches(problem.name.upper(), known, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"Known are: {', '.join(sorted(known))}."
    return checks.Error(message, hint=hint, id=f"jay_sessions.{UNKNOWN_NAME}")


def example(name: str) -> tuple[str, str] | None:
    """Return the number of a name's check, and a line that sets it; None where it is no name."""
    if name == conf.NAME:
        return WHOLE_SETTING, f"{conf.NAME} = {{}}"
    if name in NAMES:
        return NAMES[name].check, f'{conf.NAME} = {{"{name}": {NAMES[name].example}}}'
    if name in ZEPHR_NAMES:
        inner = f'{{"{name}": {ZEPHR_NAMES[name].example}, …}}'
        return ZEPHR_NAMES[name].check, f'{conf.NAME} = {{"ZEPHR": {inner}}}'
    return None
