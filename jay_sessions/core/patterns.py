"""Patterns for playout ids: plain text, in which `*` matches any number of characters, also none."""

from collections.abc import Collection

WILDCARD = "*"


def any_matches(patterns: Collection[str], text: str) -> bool:
    """Say whether one of the patterns matches the whole `text`."""
    return WILDCARD in patterns or any(matches(pattern, text) for pattern in patterns)


def matches(pattern: str, text: str) -> bool:
    """Say whether `pattern` matches the whole `text`; upper and lower case differ.

    The time grows linearly with both lengths, with any number of wildcards: between two wildcards, the
    first place that fits is as good as a later one.
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
        index = text.find(part, position, end)
        if index < 0:
            return False
        position = index + len(part)
    return position <= end
