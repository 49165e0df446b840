"""What is pinned can be installed, also once a pinned package has newer releases."""

import importlib.metadata
import re

import pytest

from .servers import ROOT

PINNED = {
    name.lower().replace("_", "-"): set(filter(None, (extras or "").split(",")))
    for name, extras in re.findall(
        r"^([\w.-]+)(?:\[([\w,-]+)\])?==", (ROOT / "requirements.txt").read_text(), re.MULTILINE
    )
}
WITH_EXTRAS = re.compile(r"([\w.-]+)\[([\w,-]+)\](?!.*\bextra ==)")


def wanted_extras() -> set[tuple[str, str, str]]:
    """Which pinned package asks for which extra of which other one."""
    return {
        (name, form[1].lower().replace("_", "-"), extra)
        for name in PINNED
        for distribution in importlib.metadata.Distribution.discover(name=name)
        for requirement in distribution.requires or []
        if (form := WITH_EXTRAS.match(requirement))
        for extra in form[2].split(",")
    }


@pytest.mark.parametrize(("asking", "package", "extra"), sorted(wanted_extras()))
def test_an_extra_that_is_asked_for_is_pinned_with_its_package(asking, package, extra):
    # Without it pip takes the newest release for the extra, and refuses it for being pinned nowhere.
    assert extra in PINNED[package]


def test_the_walk_finds_extras():
    assert ("pytest-cov", "coverage", "toml") in wanted_extras()
