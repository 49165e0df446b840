"""Patterns over playout ids: literal text in which `*` stands for any characters, also for none."""

from collections.abc import Collection

WILDCARD = "*"


def any_matches(patterns: Collection[str], text: str) -> bool:
    """Say whether all of `text` fits one of the patterns."""
    return WILDCARD in patterns or any(matches(pattern, text) for pattern in patterns)


def matches(pattern: str, text: str) -> bool:
    """Say whether all of `text` fits `pattern`, upper and lower case told apart.

    Takes time in proportion to both lengths, however many wildcards there are: between two
    wildcards the first fit is as good as any later one.
    """
    if pattern == WILDCARD:
        return True
    first, *rest = pattern.split(WILDCARD)
    if not rest:
        return text == pattern
    *middle, last = rest
    if not text.startswith(first) or not text.endswith(last):
        return False
    position, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return position <= end
