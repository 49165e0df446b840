"""What is pinned can be installed, also once a pinned package has newer releases."""

import importlib.metadata
import re
import tomllib

import pytest

from ..support.servers import ROOT

WITH_EXTRAS = re.compile(r"([\w.-]+)\[([\w,-]+)\](?!.*\bextra ==)")


def pins(name: str) -> dict[str, tuple[set[str], str]]:
    """Of a list of pins, each package with its extras and its version."""
    return {
        package.lower().replace("_", "-"): (set(filter(None, re.split(r",\s*", extras or ""))), version)
        for package, extras, version in re.findall(
            r"^([\w.-]+)(?:\[([\w, -]+)\])?==([\w.!+-]+)", (ROOT / name).read_text(), re.MULTILINE
        )
    }


LISTS = {
    "requirements.txt": ("requirements.txt",),
    "requirements-test.txt": ("requirements.txt", "requirements-test.txt"),
    ".ci/oldest.txt": (".ci/oldest.txt",),
}
"""By the list's name: the lists that are installed together once this one is."""

PINS = {name: pins(name) for name in LISTS}


def extras_of(name: str, package: str) -> set[str]:
    """The extras that a package is pinned with, in a list and in those that are installed before it."""
    return {extra for installed in LISTS[name] for extra in PINS[installed].get(package, (set(), ""))[0]}


def wanted_extras() -> set[tuple[str, str, str, str]]:
    """In which list a package, pinned as it is installed here, asks for which extra of which other one."""
    return {
        (name, asking, form[1].lower().replace("_", "-"), extra)
        for name, pinned in PINS.items()
        for asking, (_, version) in pinned.items()
        for distribution in importlib.metadata.Distribution.discover(name=asking)
        if distribution.version == version
        for requirement in distribution.requires or []
        if (form := WITH_EXTRAS.match(requirement))
        for extra in form[2].split(",")
    }


@pytest.mark.parametrize(("name", "asking", "package", "extra"), sorted(wanted_extras()))
def test_an_extra_that_is_asked_for_is_pinned_with_its_package(name, asking, package, extra):
    # Without it pip takes the newest release for the extra, and refuses it for being pinned nowhere.
    assert extra in extras_of(name, package)


def test_the_walk_finds_extras():
    assert ("pytest-cov", "coverage", "toml") in {wanted[1:] for wanted in wanted_extras()}


GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
NAME = re.compile(r"[\w.-]+")


def test_what_installs_the_app_and_the_example_site_brings_no_test_tool():
    site, test = ({NAME.match(line)[0] for line in GROUPS[group]} for group in ("site", "test"))
    assert set(PINS["requirements.txt"]).isdisjoint(test - site)
    assert test <= set(PINS["requirements-test.txt"])
    # What only the tests' tools bring along.
    assert set(PINS["requirements.txt"]).isdisjoint({"coverage", "pluggy", "trio", "werkzeug"})


@pytest.mark.parametrize(
    "name", ["requirements-test.txt", ".ci/requirements.txt", "bench/tracking/requirements.txt"]
)
def test_what_is_installed_beside_the_example_site_changes_no_version_of_it(name):
    site, added = PINS["requirements.txt"], pins(name)
    both = (site.keys() & added.keys()) - {"django"}  # of which each Python has its own
    assert both
    assert {package: added[package][1] for package in both} == {package: site[package][1] for package in both}


def floors() -> list[tuple[str, str]]:
    """What the package, its extras, the example site and the tests need, with the oldest version of each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines = [
        *project["project"]["dependencies"],
        *(line for extra in project["project"]["optional-dependencies"].values() for line in extra),
        *(line for name in ("site", "test") for line in project["dependency-groups"][name]),
    ]
    return sorted({re.match(r"([\w.-]+)(?:\[[\w,]+\])?>=([\d.]+)", line).groups() for line in lines})


@pytest.mark.parametrize(("name", "floor"), floors())
def test_the_oldest_version_that_is_allowed_is_the_one_that_ci_installs(name, floor):
    # One that was never released, or has been withdrawn, cannot be.
    oldest = (ROOT / ".ci" / "oldest.txt").read_text()
    [version] = re.findall(rf"^{re.escape(name)}(?:\[[\w, ]+\])?==([\w.]+)", oldest, re.MULTILINE)
    assert re.sub(r"(\.0)+$", "", version) == re.sub(r"(\.0)+$", "", floor)


def test_the_walk_finds_floors():
    assert {"django", "psycopg", "redis", "pytest"} <= {name for name, _ in floors()}
