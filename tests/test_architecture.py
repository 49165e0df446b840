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
    "": Rule(0),
    "exceptions": Rule(1),
    "signals": Rule(1, uses("django")),
    # Pure: no Django.
    "core": Rule(2),
    "sentry": Rule(2),
    "zephr": Rule(2),
    "zephr.client": Rule(2, uses("requests", "urllib3")),
    "zephr.egress": Rule(2, uses("requests")),
    "zephr.failures": Rule(2, uses("urllib3")),
    "zephr.transport": Rule(2, uses("urllib3")),
    # The settings, the database, the tables, and one module for each other thing outside.
    "conf": Rule(3, uses("django"), never=("zephr",)),
    "database": Rule(4, uses("django")),
    "database.loop_connection": Rule(4, uses("asgiref", "psycopg")),
    "database.prepared": Rule(4, uses("django", "psycopg")),
    "bounded_cache": Rule(5, uses("django", "asgiref")),
    "http": Rule(5, uses("django")),
    "models": Rule(5, uses("django")),
    "migrations": Rule(5, uses("django")),
    "pinning": Rule(5, uses("django")),
    "reporting": Rule(5, uses("django")),
    "zephr.advice": Rule(6, uses("django")),
    "zephr.entries": Rule(6, uses("django")),
    "zephr.gateway": Rule(6, uses("django")),
    "zephr.ping": Rule(6),
    "zephr.upstream": Rule(6, uses("django")),
    # The use cases.
    "store": Rule(6, uses("django", "asgiref")),
    "analytics": Rule(7, uses("django")),
    "health": Rule(7, uses("django", "health_check")),
    "ending": Rule(7, uses("django"), never=("zephr",)),
    "retention": Rule(8, uses("django"), never=("zephr",)),
    "sessions": Rule(8, uses("django", "asgiref"), never=("zephr",)),
    # What the world sees.
    "admin": Rule(9, uses("django", "asgiref")),
    "api": Rule(9, uses("django", "rest_framework")),
    "api.schema": Rule(9, uses("django", "rest_framework", "drf_spectacular")),
    "management": Rule(9, uses("django")),
    "middleware": Rule(9, uses("django", "asgiref"), never=("zephr",)),
    "lane": Rule(10, uses("django", "asgiref")),
    # A site's `wsgi.py` and `asgi.py` import them before there are settings.
    "lane.asgi": Rule(10, uses("django")),
    "lane.wsgi": Rule(10, uses("django")),
    "urls": Rule(10, uses("django")),
    "checks": Rule(11, uses("django")),
    "apps": Rule(12, uses("django")),
}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def rule_of(name: str) -> Rule | None:
    while name not in RULES and "." in name:
        name = name.rpartition(".")[0]
    return RULES.get(name)


PURE = [name for name in MODULES if (rule := rule_of(name)) and rule.room <= 2 and name != "signals"]


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
    assert {"models", "database.queries"} <= imports_of("store.direct")[0]
    assert {"conf", "core.tokens", "store.recorders"} <= imports_of("sessions")[0]
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
        ("requests", {"zephr.client", "zephr.egress"}),
        ("drf_spectacular", {"api.schema.extensions"}),
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


def test_the_table_of_rooms_is_that_of_the_rules():
    text = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", text, re.MULTILINE)
    assert [int(number) for number, _ in rows] == sorted({rule.room for rule in RULES.values() if rule.room})
    for number, names in rows:
        for name in re.findall(r"`([a-z_.]+)`", names):
            assert name == "zephr" or RULES[name].room == int(number)


def test_sql_stands_in_few_modules():
    # A command's `execute` has no SQL.
    words = re.compile(r"(?<!super\(\))\.execute\(|\bas_sql\b|\bRawSQL\b|\.raw\(")
    speak = {name for name, path in MODULES.items() if words.search(path.read_text(encoding="utf-8"))}
    allowed = {
        "analytics.imports.repeats",
        "analytics.recent",
        "analytics.timeseries",
        "database.clock",
        "database.commits",
        "database.deadlines",
        "database.errors",
        "database.estimates",
        "database.prepared",
        "database.replicas",
        "database.snapshots",
        "database.short_locks",
        "models.ended",
        "models.expressions",
        "models.values",
        "store.partitioning",
        "store.partitions",
    }
    assert {name for name in speak if not name.startswith("migrations")} <= allowed
    assert {"models.expressions", "store.partitions"} <= speak


def test_no_module_is_named_after_nothing():
    nothing = {"utils", "util", "helpers", "helper", "common", "constants", "misc", "shared"}
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
    assert {
        "exceptions",
        "core.identifiers",
        "core.patterns",
        "core.tokens",
        "core.uuid7",
        "core.key_text",
    } <= set(PURE)
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
