"""Pages of the documentation, for the tests that hold them to what they say."""

import re

from .servers import ROOT


def page(path: str) -> str:
    """The text of a page, such as `docs/zephr.md`."""
    return (ROOT / path).read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """What stands below a title of the second level, up to the next title of any level below the first."""
    _, _, below = text.partition(f"\n## {title}\n")
    assert below, title
    return re.split(r"\n##+ ", below)[0]


def all_blocks(text: str) -> list[tuple[str, str]]:
    """Language and code of each block."""
    return re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL)


def blocks(text: str, *languages: str) -> list[str]:
    """The code of the blocks in these languages."""
    return [code for language, code in all_blocks(text) if language in languages]
