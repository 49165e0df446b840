"""Write the pages that are made of the code: python.md, settings.md, checks.md, commands.md.

    python docs/generate.py

`tests/test_reference.py` holds that they are what this would write.
"""

import argparse
import ast
import dataclasses
import inspect
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
NOTE = "<!-- Made by docs/generate.py of the code: change it there. -->\n"

REQUIRED = {"TENANT", "BASE_URL", "ACCESS_KEY", "SECRET_KEY"}
DEFAULTS: dict[str, Any] = {"USER_ID_STORAGE": "plain", "USER_ID_KEYS": None, "ZEPHR": {}}
"""Of the names that are no field of `conf.Settings` as they stand."""


def settings() -> str:
    from jay_sessions import conf
    from jay_sessions.setting_names import NAMES, ZEPHR_NAMES

    lines = [
        "# Settings",
        "",
        NOTE,
        "All names are optional. `python manage.py check` names every mistake by the id that is below,",
        "with a line to write instead; a name that is none is `jay_sessions.E019`.",
        "",
        "## In `JAY_SESSIONS`",
        "",
        *_names(NAMES, conf.Settings),
        "## In `ZEPHR`",
        "",
        *_names(ZEPHR_NAMES, conf.ZephrSettings),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _names(names: dict[str, Any], fields: type) -> Iterator[str]:
    from jay_sessions.checks import example

    for name, row in names.items():
        number, line = example(name) or ("", "")
        yield f"### `{name}`"
        yield ""
        yield row.meaning
        yield ""
        if name not in REQUIRED:
            yield f"- Default: `{_default(name, fields)}`"
        yield f"- For example: `{line}`"
        yield f"- Check: `jay_sessions.{number}`"
        yield ""


def _default(name: str, fields: Any) -> str:
    if name in DEFAULTS:
        return repr(DEFAULTS[name])
    (field,) = (field for field in dataclasses.fields(fields) if field.name == name.lower())
    made: Any = field.default_factory
    return repr(field.default if made is dataclasses.MISSING else made())


def checks() -> str:
    from django.core.checks.registry import registry

    from jay_sessions import site_checks
    from jay_sessions.checks import UNKNOWN_NAME, WHOLE_SETTING
    from jay_sessions.setting_names import NAMES, ZEPHR_NAMES

    rows = {WHOLE_SETTING: ("Refuse a `JAY_SESSIONS` that is no dict.", False)}
    rows[UNKNOWN_NAME] = ("Refuse a name in `JAY_SESSIONS` that the app does not know.", False)
    for name, row in NAMES.items():
        rows[row.check] = (f"Refuse a wrong [`{name}`](settings.md#{name.lower()}).", False)
    for name, row in ZEPHR_NAMES.items():
        rows[row.check] = (f"Refuse a wrong [`{name}`](settings.md#in-zephr) in `ZEPHR`.", False)
    for check in registry.get_checks(include_deployment_checks=True):
        if check.__module__ == site_checks.__name__:
            number, meaning = _of_function(check)
            rows[number] = (meaning, check in registry.deployment_checks)
    lines = [
        "# System checks",
        "",
        NOTE,
        "Django runs them before `runserver`, `migrate` and others, and with `python manage.py check`;",
        "those for production with `python manage.py check --deploy`. Each comes with the line to write",
        "instead. E is an error, with which nothing starts, W a warning, which `SILENCED_SYSTEM_CHECKS`",
        "silences by its id.",
        "",
        "| id | what it is there for | run by |",
        "| --- | --- | --- |",
    ]
    for number, (meaning, deploy) in sorted(rows.items()):
        lines.append(f"| `jay_sessions.{number}` | {meaning} | `check{' --deploy' if deploy else ''}` |")
    return "\n".join(lines) + "\n"


def _of_function(check: Any) -> tuple[str, str]:
    (number,) = set(re.findall(r'id="jay_sessions\.([EW]\d{3})"', inspect.getsource(check)))
    return number, inspect.cleandoc(check.__doc__).split("\n\n")[0].replace("\n", " ")


def commands() -> str:
    from django.core.management import BaseCommand, get_commands, load_command_class

    usual = {action.dest for action in BaseCommand().create_parser("", "")._actions}
    lines = ["# Commands", "", NOTE]
    for name, app in sorted(get_commands().items()):
        if app != "jay_sessions":
            continue
        command = load_command_class(app, name)
        parser = command.create_parser("manage.py", name)
        lines += [f"## `{name}`", "", command.help, ""]
        for action in parser._actions:
            if action.dest not in usual:
                lines.append(f"- `{_usage(action)}`: {action.help}")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _usage(action: argparse.Action) -> str:
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    if not action.option_strings:
        return str(action.metavar or action.dest)
    option = ", ".join(action.option_strings)
    return option if action.nargs == 0 else f"{option} {value}"


PUBLIC = {
    "sessions": ["start", "read", "end", "astart", "aread", "aend", "Started"],
    "tokens": ["Token"],
    "middleware": ["TrackingSessionMiddleware", "RequestSession"],
    "signals": [],
    "statistics": ["total", "by_day", "by_week", "top", "rolled_up_until", "Subject", "Measures"],
    "timeline": ["over_time", "Bucket"],
    "retention": ["sessions_of_user", "erase_user", "purge_limit", "purge"],
    "zephr.gateway": ["get_session", "look_up", "Answer", "Source"],
    "zephr.client": ["ZephrClient"],
    "zephr.retries": ["Attempt"],
    "zephr.session": ["ZephrSession", "DeviceSession", "AccessModel", "Entitlement", "State"],
    "lane": ["FastLane"],
    "async_lane": ["AsyncFastLane"],
    "health": ["SessionStore", "Zephr"],
}
"""What a site's own code may use, by module; `exceptions` is told whole."""


def python() -> str:
    lines = ["# Python", "", NOTE, "What a site's own code may use. Times are aware datetimes.", ""]
    for name, members in PUBLIC.items():
        path = HERE.parent / "jay_sessions" / f"{name.replace('.', '/')}.py"
        tree = ast.parse(path.read_text(encoding="utf-8"))
        lines += [f"## `jay_sessions.{name}`", "", ast.get_docstring(tree) or "", ""]
        there = {node.name: node for node in tree.body if isinstance(node, DEFINITIONS)}
        for member in members:
            lines += _member(there[member])
    lines += ["## `jay_sessions.exceptions`", "", "Indented below what it is a kind of; with its code.", ""]
    return "\n".join([*lines, *_exceptions()]) + "\n"


DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _member(node: Any) -> Iterator[str]:
    yield f"### `{_signature(node)}`"
    yield ""
    yield ast.get_docstring(node) or ""
    yield ""
    if not isinstance(node, ast.ClassDef):
        return
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and not ast.unparse(part.target).startswith("_"):
            yield f"- `{ast.unparse(part.target)}: {ast.unparse(part.annotation)}`"
    yield ""
    for part in node.body:
        if isinstance(part, DEFINITIONS) and not part.name.startswith("_") and ast.get_docstring(part):
            yield f"- `{_signature(part)}`: {' '.join((ast.get_docstring(part) or '').split())}"
    yield ""


def _signature(node: Any) -> str:
    if isinstance(node, ast.ClassDef):
        made = [part for part in node.body if isinstance(part, DEFINITIONS) and part.name == "__init__"]
        return f"{node.name}({_arguments(made[0])})" if made else node.name
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    is_property = any(ast.unparse(one).endswith("property") for one in node.decorator_list)
    if is_property:
        return f"{node.name}: {ast.unparse(node.returns)}"
    keyword = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    return f"{keyword}{node.name}({_arguments(node)}){returned}"


def _arguments(node: Any) -> str:
    return re.sub(r"^(self|cls)(, )?", "", ast.unparse(node.args))


def _exceptions(kind: Any = None, depth: int = 0) -> Iterator[str]:
    from jay_sessions.exceptions import JaySessionsError

    kind = kind or JaySessionsError
    meaning = " ".join((kind.__doc__ or "").split())
    yield f"{'  ' * depth}- `{kind.__name__}` ({kind.code}): {meaning}"
    for below in kind.__subclasses__():
        if below.__module__ == JaySessionsError.__module__:
            yield from _exceptions(below, depth + 1)


PAGES = {"python.md": python, "settings.md": settings, "checks.md": checks, "commands.md": commands}


def main() -> None:
    sys.path.insert(0, str(HERE.parent))
    os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
    import django

    django.setup()
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
