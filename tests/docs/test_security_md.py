"""SECURITY.md names tests that exist."""

import ast
import re

import pytest

from ..support.servers import ROOT

TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/\w+\.py)::(\w+)`", TEXT)))
THREATS = TEXT.split("\n## What an attacker can do, and what not\n")[1]
ROWS = [
    line for line in THREATS.splitlines() if line.startswith("| ") and not line.startswith(("| |", "| ---"))
]


@pytest.mark.parametrize(("path", "name"), NAMED, ids=lambda value: value.removeprefix("tests/"))
def test_each_test_that_is_named_exists(path, name):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_row_on_an_attacker_says_can_or_cannot_and_names_a_test():
    assert len(ROWS) > 40
    for row in ROWS:
        assert re.fullmatch(r"\| (can|cannot)(, as Zephr)? \| .+ \| `tests/.+` \|", row), row


def test_each_attacker_has_rows():
    for part in THREATS.split("\n### ")[1:]:
        assert "\n| can" in part
        assert "\n| cannot" in part


def test_nothing_is_asked_to_be_sent_by_mail():
    assert "@" not in TEXT
