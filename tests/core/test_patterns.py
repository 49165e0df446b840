import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jay_sessions.core.patterns import matches

characters = "aAb*.?[]\\\n"


def reference(pattern: str, text: str) -> bool:
    return bool(re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL))


@given(st.text(characters, max_size=8), st.text(characters, max_size=12))
def test_a_pattern_means_what_the_same_regular_expression_does(pattern, text):
    assert matches(pattern, text) == reference(pattern, text)


@given(st.lists(st.text(characters, max_size=3), min_size=1, max_size=5), st.data())
def test_a_text_made_from_a_pattern_fits_it(parts, data):
    text = parts[0] + "".join(data.draw(st.text(characters, max_size=3)) + part for part in parts[1:])
    assert matches("*".join(parts), text)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("*", "", True),
        ("*", "anything: ü 😀\n", True),
        ("", "", True),
        ("", "a", False),
        ("netflix-*", "netflix-de:s01e01", True),
        ("netflix-*", "netflix-", True),
        ("netflix-*", "netflix", False),
        ("netflix-*", "Netflix-de", False),
        ("netflix-*", "my-netflix-de", False),
        ("*:s01", "netflix:s01", True),
        ("*:s01", "netflix:s01e01", False),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("ab*ba", "aba", False),
        ("a**b", "ab", True),
        ("n?tflix", "netflix", False),
        ("[a-z]*", "netflix", False),
        ("[a-z]*", "[a-z]", True),
        ("net.lix", "netflix", False),
        ("a*b*c", "a-c-b", False),
        ("a*bc*bc", "abc", False),
    ],
)
def test_the_asterisk_is_the_only_wildcard_and_case_counts(pattern, text, fits):
    assert matches(pattern, text) is fits


def test_many_wildcards_end():
    # With backtracking, this would outlast the universe.
    assert not matches("*a" * 120 + "*c", "a" * 255 + "b")
