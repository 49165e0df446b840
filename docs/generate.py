"""Write the pages that are made of the code: python.md, settings.md, checks.md, commands.md.

    python docs/generate.py

Two of them begin with a text from the folder `parts`. `tests/docs/test_reference.py` holds that all of
them are what this would write.
"""

import argparse
import ast
import enum
import inspect
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
NOTE = "<!-- Made by docs/generate.py of the code: change it there. -->\n"
NOTE_ON_PARTS = "<!-- Made by docs/generate.py of docs/parts/{} and the code: change it there. -->\n"


def settings() -> str:
    from jay_sessions import conf

    lines = [
        "# Settings",
        "",
        *_begin("settings.md"),
        "## In `JAY_SESSIONS`",
        "",
        *_names(conf.Settings),
        "## In `ZEPHR`",
        "",
        *_names(conf.ZephrSettings),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _begin(page: str) -> tuple[str, str]:
    return NOTE_ON_PARTS.format(page), (HERE / "parts" / page).read_text(encoding="utf-8")


def _names(settings: type) -> Iterator[str]:
    from jay_sessions.checks.settings import example
    from jay_sessions.conf.declaration import REQUIRED, declared

    for name, setting in declared(settings).items():
        number, line = example(name) or ("", "")
        yield f"### `{name}`"
        yield ""
        yield setting.meaning
        yield ""
        if setting.default is not REQUIRED:
            yield f"- Default: `{_written(setting.default)}`"
        yield f"- For example: `{line}`"
        yield f"- Check: `jay_sessions.{number}`"
        yield from _variables(settings, name)
        yield ""


def _variables(settings: type, name: str) -> Iterator[str]:
    from project.environment import variables

    found = [variable for variable in variables(settings) if variable.setting == name]
    if found:
        names = ", ".join(f"`{variable.name}`" for variable in found)
        form = found[0].form
        yield f"- Example site: {names}{f' ({form})' if form else ''}"


def _written(default: Any) -> str:
    return repr(default.value if isinstance(default, enum.Enum) else default)


def checks() -> str:
    from django.core.checks.registry import Tags, registry

    from jay_sessions import checks as all_checks
    from jay_sessions.checks.settings import UNKNOWN_NAME, WHOLE_SETTING
    from jay_sessions.conf import Settings, ZephrSettings, declared

    rows = {WHOLE_SETTING: ("Refuse a `JAY_SESSIONS` that is no dict.", "")}
    rows[UNKNOWN_NAME] = ("Refuse a name in `JAY_SESSIONS` that the app does not know.", "")
    for name, setting in declared(Settings).items():
        rows[setting.check] = (f"Refuse a wrong [`{name}`](settings.md#{name.lower()}).", "")
    for name, setting in declared(ZephrSettings).items():
        rows[setting.check] = (f"Refuse a wrong [`{name}`](settings.md#in-zephr) in `ZEPHR`.", "")
    modules = {f"{all_checks.__name__}.{name}" for name in all_checks.__all__} - {
        "jay_sessions.checks.settings"
    }
    for check in registry.get_checks(include_deployment_checks=True):
        if check.__module__ in modules:
            number, meaning = _of_function(check)
            option = " --deploy" if check in registry.deployment_checks else ""
            rows[number] = (meaning, " --database default" if Tags.database in check.tags else option)
    lines = [
        "# System checks",
        "",
        NOTE,
        "Django runs these checks before `runserver`, `migrate` and other commands, and with",
        "`python manage.py check`. Two kinds need an option: `--deploy` for the checks for production,",
        "and `--database default` for those that ask the database; the last column names it. A web server",
        "such as gunicorn runs no checks: run `python manage.py check --deploy --database default` before",
        "you start it.",
        "",
        "Each message has the line to write instead. E is an error: the command does not start. W is a",
        "warning, I a proposal. `SILENCED_SYSTEM_CHECKS` silences messages by their ids. If several of these",
        "lines begin with `JAY_SESSIONS =`, write one dict with all their names: a second line would replace",
        "the first.",
        "",
        "| id | purpose | run by |",
        "| --- | --- | --- |",
    ]
    for number, (meaning, option) in sorted(rows.items()):
        lines.append(f"| `jay_sessions.{number}` | {meaning} | `check{option}` |")
    return "\n".join(lines) + "\n"


def _of_function(check: Any) -> tuple[str, str]:
    (number,) = set(re.findall(r'id="jay_sessions\.([EIW]\d{3})"', inspect.getsource(check)))
    return number, inspect.cleandoc(check.__doc__).split("\n\n")[0].replace("\n", " ")


ALL_COMMANDS = [
    "Each command prints its result to standard output, and its progress to standard error. With",
    "`--verbosity 0` it prints nothing but a key or an export. If a command fails, it prints one line with",
    "the reason to standard error, and its exit code is 1. The exit code is 2 for wrong arguments, and 130",
    "after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP: a command that is stopped leaves no part of a file.",
    "`--traceback` shows where a failure comes from.",
]


def commands() -> str:
    from django.core.management import BaseCommand, get_commands, load_command_class

    usual = {action.dest for action in BaseCommand().create_parser("", "")._actions}
    lines = ["# Commands", "", NOTE, *ALL_COMMANDS, ""]
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
    "sessions": [
        *("start", "read", "end", "end_by_id", "end_all"),
        *("astart", "aread", "aend", "aend_by_id", "aend_all"),
        "Started",
    ],
    "core.tokens": ["Token"],
    "middleware": ["TrackingSessionMiddleware", "RequestSession"],
    "signals": [],
    "analytics.statistics": [
        "total",
        "by_day",
        "by_week",
        "breakdown",
        "rolled_up_until",
        "Filters",
        "Metrics",
    ],
    "analytics.timeseries": ["timeseries", "Bucket"],
    "retention": ["sessions_of_user", "erase_user", "erase_noted", "purge_limit", "purge"],
    "zephr.gateway": ["get_session", "look_up", "aget_session", "alook_up", "LookupResult", "Source"],
    "zephr.client": ["ZephrClient"],
    "zephr.retries": ["Attempt"],
    "zephr.session": ["ZephrSession", "DeviceSession", "AccessModel", "Entitlement", "State"],
    "lane.wsgi": ["get_wsgi_application", "FastLane"],
    "lane.asgi": ["get_asgi_application", "AsyncFastLane"],
    "health": ["SessionStore", "Zephr"],
}
"""The names that a site's own code may use, by module; the page has all of `exceptions`."""


def python() -> str:
    lines = []
    for name, members in PUBLIC.items():
        path = HERE.parent / "jay_sessions" / f"{name.replace('.', '/')}.py"
        tree = ast.parse(path.read_text(encoding="utf-8"))
        lines += [f"## `jay_sessions.{name}`", "", ast.get_docstring(tree) or "", ""]
        there = {node.name: node for node in tree.body if isinstance(node, DEFINITIONS)}
        for member in members:
            lines += _member(there[member])
    meaning = "Each exception stands below its base class, with its code in brackets."
    lines += ["## `jay_sessions.exceptions`", "", meaning, ""]
    # A class without attributes or methods leaves empty lines.
    reference = re.sub(r"\n{3,}", "\n\n", "\n".join([*lines, *_exceptions()]))
    return "\n".join(["# Python", "", *_begin("python.md"), reference]) + "\n"


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
        if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]).isupper():
            yield f"- `{node.name}.{ast.unparse(part.targets[0])}`"
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
    os.environ.setdefault("SECRET_KEY", "of nothing that is served")
    import django

    django.setup()
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
