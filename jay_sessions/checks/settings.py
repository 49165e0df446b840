"""System checks of `JAY_SESSIONS`. Each message has the line to write instead.

E001 is about the setting as a whole; an unknown name is E019. The fields of `conf.Settings` and
`conf.ZephrSettings` declare the other numbers. `site.py` checks the site around the app, and `zephr.py` the
way to Zephr.
"""

import difflib
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, register

from .. import conf
from ..zephr.egress import bundle_problem

WHOLE_SETTING = "E001"
UNKNOWN_NAME = "E019"


@register()
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Report every mistake in `JAY_SESSIONS`."""
    values, problems = parsed()
    return [_error(problem) for problem in [*problems, *_missing_files(values)]]


def parsed() -> tuple[dict[str, Any], list[conf.Problem]]:
    """Return the valid values, by the names of the fields of `conf.Settings`, and all mistakes."""
    return conf.parse(getattr(settings, conf.NAME, {}))


def _missing_files(values: dict[str, Any]) -> list[conf.Problem]:
    # Not in the parser: if the file disappears while a site runs, everything else must go on.
    bundle = getattr(values.get("zephr"), "ca_bundle", None)
    problem = bundle_problem(bundle) if bundle else ""
    return [conf.Problem("CA_BUNDLE", problem)] if problem else []


def _error(problem: conf.Problem) -> CheckMessage:
    message = f"{conf.NAME}: {problem.name} {problem.message}."
    if found := example(problem.name):
        number, line = found
        return checks.Error(message, hint=f"Write, for example: {line}", id=f"jay_sessions.{number}")
    known = [conf.NAME, *conf.declared(conf.Settings), *conf.declared(conf.ZephrSettings)]
    close = difflib.get_close_matches(problem.name.upper(), known, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"Known names: {', '.join(sorted(known))}."
    return checks.Error(message, hint=hint, id=f"jay_sessions.{UNKNOWN_NAME}")


def example(name: str) -> tuple[str, str] | None:
    """Return the number of a name's check, and a line that sets it; None for an unknown name."""
    if name == conf.NAME:
        return WHOLE_SETTING, f"{conf.NAME} = {{}}"
    if setting := conf.declared(conf.Settings).get(name):
        return setting.check, f'{conf.NAME} = {{"{name}": {setting.example}}}'
    if setting := conf.declared(conf.ZephrSettings).get(name):
        return setting.check, f'{conf.NAME} = {{"ZEPHR": {{"{name}": {setting.example}, …}}}}'
    return None
