"""The pages of the documentation that are made of the code are what the code says now."""

import importlib.util

import pytest

from jay_sessions import conf_values
from jay_sessions.setting_names import NAMES, ZEPHR_NAMES

from .servers import ROOT

spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
generate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate)


@pytest.mark.parametrize("name", generate.PAGES)
def test_a_page_is_what_the_code_makes_of_it(name):
    there = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert there == generate.PAGES[name](), "Run: python docs/generate.py"


def test_each_name_of_the_setting_is_there_and_no_other():
    assert set(NAMES) == {*conf_values.PARSERS, "ZEPHR"}
    assert set(ZEPHR_NAMES) == set(conf_values.ZEPHR_PARSERS)
    numbers = [row.check for row in (*NAMES.values(), *ZEPHR_NAMES.values())]
    assert len(set(numbers)) == len(numbers)
