"""What docs/operations.md says is so; its blocks for a site are run in one by `.ci/package.py`."""

import json
import re

from django.core.management import get_commands, load_command_class

from jay_sessions.exceptions import JaySessionsError
from jay_sessions.health import SessionStore, Zephr

from ..support.pages import blocks, page, section
from ..support.servers import ROOT

TEXT = page("docs/operations.md")


def codes(error=JaySessionsError):
    return {error.code}.union(*(codes(kind) for kind in error.__subclasses__()))


def test_each_command_that_is_named_exists():
    named = set(re.findall(r"\b(jay_\w+|check|migrate)\b", " ".join(re.findall(r"manage\.py (\w+)", TEXT))))
    assert len(named) > 5
    for name in named:
        load_command_class(get_commands()[name], name)


def test_each_code_that_is_named_exists():
    own = {"STORE_READ_ONLY", "STORE_NOT_MIGRATED", "STORE_STUCK", "STORE_NOT_DURABLE", "STORE_NO_PARTITION"}
    own.add("ZEPHR_NOT_KNOWN_YET")
    source = page("jay_sessions/health.py")
    named = set(re.findall(r"`((?:STORE|ZEPHR)_\w+)`", TEXT))
    assert own < named <= own | codes()
    assert all(f'"{code}"' in source for code in own)


def test_the_answer_has_the_names_that_are_shown():
    [shown] = blocks(TEXT, "json")
    assert list(json.loads(shown)) == [repr(SessionStore()), "Cache(alias='default')", repr(Zephr())]


def test_each_row_of_what_fails_names_a_test():
    rows = section(TEXT, "When something fails").split("| --- |")[-1].split("\n\n")[0].strip(" -|\n")
    rows = rows.splitlines()
    assert len(rows) >= 20
    for row in rows:
        [(file, name)] = re.findall(r"`(test_\w+\.py)`: `(test_\w+)`(?: \|)?$", row)
        texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob(file)]
        assert sum(f"\ndef {name}(" in text for text in texts) == 1
