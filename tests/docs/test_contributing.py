"""What CONTRIBUTING.md names is there."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))


def callers() -> list[Path]:
    """The files that tell somebody to run make, or run it."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / ".github").rglob("*.md")]
    return [*pages, ROOT / ".ci" / "run", ROOT / ".pre-commit-config.yaml"]


@pytest.mark.parametrize("file", callers(), ids=lambda file: str(file.relative_to(ROOT)))
def test_each_target_of_make_that_is_named_is_there(file):
    text = file.read_text(encoding="utf-8")
    named = re.findall(r"(?:^|`|&& )(?:[A-Z_]+=\S+ )*make ([a-z][a-z-]*)", text, re.MULTILINE)
    assert set(named) <= TARGETS


def test_each_target_is_explained():
    explained = re.findall(r"^\| `make ([a-z-]+)` \|", TEXT, re.MULTILINE)
    assert set(explained) == TARGETS - {"help"}
    assert set(re.findall(r"^([a-z-]+):.*?  ## ", MAKEFILE, re.MULTILINE)) == set(explained)
    assert set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split()) == TARGETS


def test_each_marker_is_explained():
    there = {line.partition(":")[0] for line in PROJECT["tool"]["pytest"]["ini_options"]["markers"]}
    assert set(re.findall(r"^\| `(\w+)` \| ", TEXT, re.MULTILINE)) == there


def test_the_groups_and_lists_of_pinned_packages_are_there():
    groups = set(re.findall(r"--group ([\w-]+)", TEXT.replace("sites-$name", "sites-newest")))
    assert groups <= PROJECT["dependency-groups"].keys()
    for name in re.findall(r"-o (\S+)", TEXT.replace("$name", "newest")):
        assert (ROOT / name).is_file()


def test_the_version_stands_in_one_place():
    assert "version" in PROJECT["project"]["dynamic"]
    [place] = PROJECT["tool"]["hatch"]["version"].values()
    assert "__version__ = " in (ROOT / place).read_text(encoding="utf-8")


def test_each_path_that_is_named_is_there():
    named = set(re.findall(r"`((?:jay_sessions|tests|docs|project|bench)/[\w./-]*)`", TEXT))
    assert len(named) > 15
    assert not [path for path in named if not (ROOT / path).exists()]


def test_each_module_that_a_docstring_names_is_there():
    missing = []
    for folder in ("bench", "docs", "jay_sessions", "project", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            beginning = re.match(r'"""(.*?)"""', path.read_text(encoding="utf-8"), re.DOTALL)
            # Beside it, one folder up, or from one of the two roots.
            places = [path.parent, path.parent.parent, ROOT, ROOT / "jay_sessions"]
            missing += [
                f"{path.relative_to(ROOT)}: {name}"
                for name in re.findall(r"`([\w/]+\.py)`", beginning[1] if beginning else "")
                if not any((place / name).exists() for place in places)
            ]
    assert missing == []
