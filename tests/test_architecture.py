"""Who may import whom, as one table, and the pure modules without Django."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import jay_sessions

ROOT = Path(jay_sessions.__file__).parent


class Rule(NamedTuple):
    """A module's room, which other packages it may import, and which of our own it must not."""

    room: int
    packages: frozenset[str] = frozenset()
    never: tuple[str, ...] = ()


def uses(*packages: str) -> frozenset[str]:
    return frozenset(packages)


# A module is found by its own name or by the longest name above it. What is not here may not exist:
# a new module gets a row, and with it a decision.
RULES = {
    # Pure: no Django.
    "": Rule(0),
    "addresses": Rule(0),
    "api_keys": Rule(0),
    "batcher": Rule(0),
    "task_batcher": Rule(0),
    "buckets": Rule(0),
    "exceptions": Rule(0),
    "identifiers": Rule(0),
    "patterns": Rule(0),
    "providers": Rule(0),
    "rates": Rule(0),
    "setting_names": Rule(0),
    "strict_json": Rule(0),
    "tokens": Rule(0),
    "user_ids": Rule(0),
    "uuid7": Rule(0),
    "zephr": Rule(0, never=("sessions",)),
    "zephr.client": Rule(0, uses("requests", "urllib3"), never=("sessions",)),
    "zephr.transport": Rule(0, uses("urllib3"), never=("sessions",)),
    # The settings and the tables.
    "conf": Rule(1, uses("django")),
    "cores": Rule(1, uses("django")),
    "conf_values": Rule(1, uses("django")),
    "models": Rule(1, uses("django")),
    "rollup_models": Rule(1, uses("django")),
    "querysets": Rule(1, uses("django")),
    "expressions": Rule(1, uses("django")),
    "gpc": Rule(1),
    "grants": Rule(1, uses("django")),
    "migrations": Rule(1, uses("django")),
    "signals": Rule(1, uses("django")),
    "loop_connection": Rule(1, uses("asgiref", "psycopg")),
    "shared": Rule(1, uses("django")),
    "site_days": Rule(1, uses("django")),
    "statements": Rule(1, uses("django", "psycopg")),
    "store": Rule(1, uses("django")),
    # The use cases.
    "carriers": Rule(2, uses("django")),
    "changed_days": Rule(2, uses("django"), never=("zephr", "sessions")),
    "daily": Rule(2, uses("django"), never=("zephr", "sessions")),
    "ended": Rule(2, uses("django", "asgiref"), never=("zephr", "sessions")),
    "ended_ids": Rule(2, uses("django"), never=("zephr", "sessions")),
    "export": Rule(2, uses("django"), never=("zephr", "sessions")),
    "enrichment": Rule(3, uses("django"), never=("sessions",)),
    "key_cache": Rule(2, uses("django")),
    "listing": Rule(2, uses("django"), never=("zephr",)),
    "recorders": Rule(2, uses("django")),
    "retention": Rule(2, uses("django"), never=("zephr", "sessions")),
    "rollups": Rule(2, uses("django"), never=("zephr", "sessions")),
    "sessions": Rule(2, uses("django", "asgiref"), never=("zephr",)),
    "statistics": Rule(2, uses("django"), never=("zephr",)),
    "timeline": Rule(2, uses("django"), never=("zephr",)),
    "throttles": Rule(2, uses("django", "asgiref")),
    "windows": Rule(2, uses("django"), never=("zephr", "sessions")),
    "zephr.entries": Rule(2, uses("django"), never=("sessions",)),
    "zephr.gateway": Rule(2, uses("django"), never=("sessions",)),
    "zephr.ping": Rule(2, never=("sessions",)),
    "zephr.upstream": Rule(2, never=("sessions",)),
    # What the world sees.
    "admin": Rule(3, uses("django")),
    "admin.export": Rule(3, uses("django", "asgiref")),
    "api": Rule(3, uses("django", "rest_framework")),
    "api.schema": Rule(3, uses("django", "rest_framework", "drf_spectacular")),
    "apps": Rule(3, uses("django")),
    "checks": Rule(3, uses("django")),
    "health": Rule(3, uses("django", "health_check"), never=("sessions",)),
    # A site's `wsgi.py` and `asgi.py` import them before there are settings.
    "lane": Rule(3),
    "async_lane": Rule(3),
    "lane_answers": Rule(3, uses("django", "asgiref")),
    "lane_ordinary": Rule(3, uses("django")),
    "lane_scope": Rule(3, uses("django")),
    "lane_site": Rule(3, uses("django")),
    "management": Rule(3, uses("django")),
    "middleware": Rule(3, uses("django", "asgiref"), never=("zephr",)),
    "site_checks": Rule(3, uses("django")),
    "urls": Rule(3, uses("django")),
}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def rule_of(name: str) -> Rule | None:
    while name not in RULES and "." in name:
        name = name.rpartition(".")[0]
    return RULES.get(name)


PURE = [name for name in MODULES if (rule := rule_of(name)) and rule.room == 0]


def imports_of(name: str) -> tuple[set[str], set[str]]:
    """The modules of ours and the other packages that a module imports, anywhere in it."""
    path, ours, others = MODULES[name], set(), set()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            full = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = ["jay_sessions", *filter(None, package.split("."))]
            start = ".".join(above[: len(above) - node.level + 1]) if node.level else ""
            base = ".".join(filter(None, [start, node.module]))
            full = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for target in full:
            top, _, rest = target.partition(".")
            if top == "jay_sessions":
                ours.add(rest if rest in MODULES else rest.rpartition(".")[0])
            elif top not in sys.stdlib_module_names:
                others.add(top)
    return ours, others


def test_the_walk_sees_every_way_to_import():
    assert imports_of("zephr.client")[1] >= {"requests"}
    assert {"models", "store"} <= imports_of("recorders.direct")[0]
    assert {"conf", "tokens", "recorders"} <= imports_of("sessions")[0]
    assert "checks" in imports_of("apps")[0]


@pytest.mark.parametrize("name", MODULES, ids=lambda name: name or "jay_sessions")
def test_a_module_imports_only_what_its_room_allows(name):
    rule = rule_of(name)
    assert rule is not None, f"{name} has no row in the table"
    ours, others = imports_of(name)
    assert others <= rule.packages
    for target in ours:
        assert rule_of(target).room <= rule.room, f"{name} imports {target} of a higher room"
        assert target.partition(".")[0] not in rule.never, f"{name} imports {target}"


@pytest.mark.parametrize(
    ("package", "only"),
    [
        ("requests", {"zephr.client"}),
        ("drf_spectacular", {"api.schema"}),
        ("health_check", {"health"}),
    ],
)
def test_a_package_is_imported_in_one_module_alone(package, only):
    assert {name for name in MODULES if package in imports_of(name)[1]} <= only


def test_each_module_is_in_the_picture_of_the_house():
    text = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    picture = set(re.findall(r"\w+", text.split("```")[1]))
    apart = ("management", "migrations", "apps")
    own = {name.split(".")[-1] for name in MODULES if name and not name.startswith(apart)}
    assert own <= picture


def test_sql_stands_in_few_modules():
    words = re.compile(r"\.execute\(|\bas_sql\b|\bRawSQL\b|\.raw\(")
    speak = {name for name, path in MODULES.items() if words.search(path.read_text(encoding="utf-8"))}
    allowed = {"expressions", "querysets", "statements", "store", "timeline"}
    assert {name for name in speak if not name.startswith("migrations")} <= allowed
    assert {"expressions", "querysets"} <= speak


def test_no_module_is_named_after_nothing():
    nothing = {"utils", "util", "helpers", "helper", "common", "constants", "misc"}
    assert not [name for name in MODULES if nothing & set(name.split("."))]


WITHOUT_DJANGO = """
import importlib, sys

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("django", "rest_framework"):
            raise ImportError(f"{name} was imported")

sys.meta_path.insert(0, Nowhere())
for name in sys.argv[1:]:
    importlib.import_module(name)
assert not {"django", "rest_framework"} & set(sys.modules)
"""


def test_the_pure_modules_need_no_django():
    assert {"exceptions", "identifiers", "patterns", "providers", "tokens", "uuid7", "api_keys"} <= set(PURE)
    assert {"zephr.signature", "zephr.session", "zephr.client"} <= set(PURE)
    names = [f"jay_sessions.{name}".rstrip(".") for name in PURE]
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_DJANGO, *names],
        cwd=ROOT.parent,
        env={name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
