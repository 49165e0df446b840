import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jay_sessions.core import user_ids
from jay_sessions.core.user_ids import Storage, UserIds, hashed, hashing_key

KEY, OLD_KEY = hashing_key("correct horse battery staple"), hashing_key("the secret of last year")
ids = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=255)


@pytest.mark.parametrize(
    ("user_id", "expected"),
    [
        ("user-123456", "hashed:V7o_a2Iy5m8-L34FO_mfSQ"),
        ("ada", "hashed:ienMaxeEeuPKXNi_CVuXcw"),
        ("Jürgen", "hashed:ByKW_ZF_hf6vf2mMuD8JJg"),
    ],
)
def test_a_hash_is_what_openssl_makes_of_it(user_id, expected):
    """By `openssl dgst -sha256 -mac HMAC`, once for the key of the text "jay_sessions.user_ids"."""
    assert hashed(user_id, KEY) == expected


@given(ids)
def test_a_hash_has_128_bits_in_plain_characters(user_id):
    assert re.fullmatch(r"hashed:[A-Za-z0-9_-]{22}", hashed(user_id, KEY))
    assert hashed(user_id, KEY) != hashed(user_id, OLD_KEY)


@given(ids, ids)
def test_two_users_have_two_hashes(one, another):
    assert (hashed(one, KEY) == hashed(another, KEY)) == (one == another)


def test_the_key_is_good_for_nothing_else():
    assert hashing_key("a secret") == hashing_key(b"a secret")
    assert hashing_key("a secret") != hashing_key("another secret")
    assert "secret" not in repr(UserIds(Storage.HASHED, (b"secret",)))


@pytest.mark.parametrize("storage", Storage)
def test_nobody_is_stored_as_nobody(storage):
    ways = UserIds(storage, (KEY,))
    assert ways.stored(None) is None
    assert ways.kept(None) is None


def test_the_first_key_hashes_and_all_of_them_find():
    ways = UserIds(Storage.HASHED, (KEY, OLD_KEY))
    assert ways.stored("ada") == hashed("ada", KEY)
    assert ways.forms("ada") == ["ada", hashed("ada", KEY), hashed("ada", OLD_KEY)]


def test_what_looks_like_a_hash_is_hashed_like_any_other_id():
    ways = UserIds(Storage.HASHED, (KEY,))
    looks_hashed = hashed("ada", KEY)
    assert ways.stored(looks_hashed) == hashed(looks_hashed, KEY)


def test_a_key_that_stands_there_twice_is_one():
    assert UserIds(Storage.PLAIN, (KEY, KEY)).forms("ada") == ["ada", hashed("ada", KEY)]


def test_the_prefix_is_what_the_documentation_says():
    assert user_ids.PREFIX == "hashed:"
