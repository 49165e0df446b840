import pytest
from hypothesis import given
from hypothesis import strategies as st

from jay_sessions.core.identifiers import check_text, clean_playout_id, clean_user_id, clean_zephr_session_id
from jay_sessions.exceptions import InvalidPlayoutId, InvalidUserId, InvalidValue, InvalidZephrSessionId

CONTROLS = [chr(code) for code in [*range(0x20), *range(0x7F, 0xA0)]]
SURROGATES = ["\ud800", "\udbff", "\udc00", "\udfff", "\ude00\ud83d"]
NO_STRINGS = [5, 5.5, True, [], {}, b"text", ("a",)]

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=255)


@given(texts)
def test_text_without_controls_passes_unchanged(text):
    assert check_text(text) == text


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        *(pytest.param(f"a{char}b", "string_control_character", id=f"u{ord(char):04x}") for char in CONTROLS),
        *(pytest.param(f"a{text}b", "string_unicode", id=ascii(text)) for text in SURROGATES),
        *(pytest.param(value, "string_type", id=type(value).__name__) for value in NO_STRINGS),
        pytest.param("a" * 256, "string_too_long", id="256_characters"),
        pytest.param("😀" * 256, "string_too_long", id="256_emoji"),
    ],
)
def test_what_no_part_of_the_app_could_carry_is_refused(value, kind):
    for check, error in (
        (check_text, InvalidValue),
        (clean_user_id, InvalidUserId),
        (clean_playout_id, InvalidPlayoutId),
    ):
        with pytest.raises(error) as caught:
            check(value)
        assert caught.value.kind == kind
        assert caught.value.message


@pytest.mark.parametrize("char", [" ", "~", "\xa0", "\xad", "\u200b", "\u2028", "\ufeff", "\uffff", "😀"])
def test_what_is_neither_a_control_nor_a_surrogate_is_accepted(char):
    assert clean_user_id(f"a{char}b") == clean_playout_id(f"a{char}b") == f"a{char}b"


@pytest.mark.parametrize("value", ["a" * 255, "😀" * 255], ids=["letters", "emoji"])
def test_255_characters_are_accepted(value):
    assert clean_user_id(value) == clean_playout_id(value) == value


@pytest.mark.parametrize(
    "blank",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param(" ", id="space"),
        pytest.param("\t\r\n\x0b\x0c", id="controls_that_are_white_space"),
        pytest.param("\x1c\x1d\x1e\x1f\x85", id="odd_controls_that_are_white_space"),
        pytest.param("\xa0\u2003\u3000", id="wide_spaces"),
        pytest.param(" " * 300, id="300_spaces"),
    ],
)
def test_a_blank_user_id_counts_as_absent(blank):
    assert clean_user_id(blank) is None


@given(texts)
def test_outer_white_space_of_a_user_id_goes_before_anything_is_counted(text):
    assert clean_user_id(f" \n\x85\u3000{text}\t ") == (text.strip() or None)


def test_a_playout_id_is_left_as_it_is():
    assert clean_playout_id("  Netflix-DE  ") == "  Netflix-DE  "


@pytest.mark.parametrize("value", ["", None], ids=["empty", "none"])
def test_a_playout_id_that_is_none_is_refused(value):
    with pytest.raises(InvalidPlayoutId):
        clean_playout_id(value)


def test_an_error_does_not_repeat_the_value():
    with pytest.raises(InvalidUserId) as caught:
        clean_user_id("private\0")
    assert "private" not in f"{caught.value} {caught.value!r} {caught.value.message}"


@pytest.mark.parametrize("session_id", ["26a73b7a", "...", ".a", "%2e%2e", "ä", "a/b", "x" * 255, "💩" * 255])
def test_the_id_of_a_zephr_session_may_be_any_text_that_is_one_segment_of_a_path(session_id):
    assert clean_zephr_session_id(session_id) == session_id


@pytest.mark.parametrize(
    "value", ["", ".", "..", "a\nb", "\x00", "\x7f", "\x85", "x" * 256, "\ud800", None, 1, b"a"]
)
def test_any_other_zephr_session_id_is_refused_without_being_repeated(value):
    with pytest.raises(InvalidZephrSessionId) as caught:
        clean_zephr_session_id(value)
    assert repr(value) not in caught.value.message
