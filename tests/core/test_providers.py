import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jay_sessions.core.providers import from_playout_id, provider_name

UUID = "550e8400-e29b-41d4-a716-446655440000"
HEX = UUID.replace("-", "")
V7 = "019907b9-2c00-7000-8000-00000000000a"


@pytest.mark.parametrize(
    ("playout_id", "name"),
    [
        ("netflix-de:s01e01", "netflix"),
        ("netflix", "netflix"),
        ("NetFlix_DE", "netflix"),
        ("3sat:news", "3sat"),
        ("rtl2", "rtl2"),
        ("netflix😀", "netflix"),
        ("netflixü", "netflix"),
        ("n", "n"),
        ("123", None),
        ("123-abc", None),
        ("-netflix", None),
        (" netflix", None),
        (":", None),
        ("übung", None),
        ("ｎetflix", None),  # noqa: RUF001
        ("٣sat", None),
        ("", None),
        # A UUID that ends with the id, or before what is neither letter nor digit.
        (UUID, None),
        (UUID.upper(), None),
        (V7, None),
        (HEX, None),
        (HEX.upper(), None),
        (f"{UUID}-1", None),
        (f"{UUID}:s01", None),
        (f"{UUID}_a", None),
        (f"{UUID} a", None),
        (f"{UUID}😀", None),
        (f"{UUID}\n", None),
        (f"{HEX}-1", None),
        (f"{HEX}:s01", None),
        (f"{HEX}_", None),
        (f"{HEX}.", None),
        # No UUID: it goes on, or is none.
        (f"{UUID}0", "550e8400"),
        (f"{UUID}a", "550e8400"),
        (f"{UUID}Z", "550e8400"),
        (f"{UUID}ü", "550e8400"),
        (f"{HEX}0", f"{HEX}0"),
        (f"{HEX}z", f"{HEX}z"),
        (f"{HEX}Z:1", f"{HEX}z"),
        (f"{HEX}ü", HEX),
        (HEX[:-1], HEX[:-1]),
        (UUID[:-1], "550e8400"),
        (UUID.replace("e29b", "e29g"), "550e8400"),
        (f"netflix-{UUID}", "netflix"),
        (f"a{UUID}", "a550e8400"),
        # A UUID whose first digits hold no letter: no name either way.
        ("55008400-e29b-41d4-a716-446655440000a", None),
    ],
    ids=ascii,
)
def test_the_name_is_the_leading_run_of_letters_and_digits(playout_id, name):
    assert from_playout_id(playout_id) == name
    assert provider_name(playout_id, {}) == name


@given(st.text(max_size=60) | st.text("aZ09-:_ü", max_size=12))
def test_a_name_is_the_beginning_of_the_id_in_lower_case_and_has_a_letter(playout_id):
    name = from_playout_id(playout_id)
    run = re.match("[A-Za-z0-9]*", playout_id).group()
    assert name == (run.lower() if re.search("[A-Za-z]", run) else None)


@given(st.uuids(), st.booleans(), st.sampled_from(["", "-", ":x", " ", ".", "/", "_1", "\x7f"]))
def test_no_uuid_names_a_provider(value, hyphens, rest):
    assert from_playout_id((str(value) if hyphens else value.hex) + rest) is None


@given(st.uuids(), st.sampled_from("0aZfüß"))
def test_a_longer_run_of_digits_than_a_uuid_is_no_uuid(value: uuid.UUID, following):
    run = re.match("[a-z0-9]*", (value.hex + following).lower()).group()
    assert from_playout_id(value.hex + following) == (run if re.search("[a-z]", run) else None)


def test_the_first_pattern_that_matches_names_the_provider():
    names = {"nflx-*": "netflix", "nflx-de-*": "never", "zdf*": "ZDF"}
    assert provider_name("nflx-de-1", names) == "netflix"
    assert provider_name("zdf", names) == "ZDF"
    assert provider_name("arte:1", names) == "arte"
    assert provider_name("NFLX-1", names) == "nflx"


def test_a_pattern_may_say_that_there_is_no_provider():
    assert provider_name("test-1", {"test-*": None}, lambda playout_id: "resolved") is None


def test_a_resolver_is_asked_where_no_pattern_matches():
    assert provider_name("netflix-1", {"zdf*": "ZDF"}, lambda playout_id: playout_id[::-1]) == "1-xilften"


def test_a_resolver_has_the_last_word():
    assert provider_name("netflix-1", {}, lambda playout_id: None) is None


def test_what_a_resolver_raises_passes_through():
    with pytest.raises(KeyError):
        provider_name("netflix-1", {}, {}.__getitem__)
