"""The pages of the documentation that are made of the code are what the code says now."""

import importlib.util
import re

import pytest

from jay_sessions import conf

from ..support.servers import ROOT

spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
generate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate)


@pytest.mark.parametrize("name", generate.PAGES)
def test_a_page_is_what_the_code_makes_of_it(name):
    there = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert there == generate.PAGES[name](), "Run: python docs/generate.py"


def test_each_name_of_the_setting_is_there_and_no_other():
    above, _, below = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8").partition("## In `ZEPHR`")
    names = re.compile(r"^### `(\w+)`$", re.MULTILINE)
    assert names.findall(above) == list(conf.declared(conf.Settings))
    assert names.findall(below) == list(conf.declared(conf.ZephrSettings))


def test_each_check_is_in_the_page():
    checks = (ROOT / "jay_sessions" / "checks").glob("*.py")
    text = "".join(path.read_text(encoding="utf-8") for path in checks)
    ids = set(re.findall(r"jay_sessions\.[EW]\d{3}", text))
    assert len(ids) > 20
    page = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    assert not [number for number in ids if number not in page]
