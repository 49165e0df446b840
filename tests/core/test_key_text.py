import base64
import hashlib
import re

import pytest

from jay_sessions.core import key_text

KEY = "jay_3f9c01ab_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCde"


def test_a_key_has_a_readable_prefix_and_256_random_bits():
    key = key_text.generate()
    assert re.fullmatch(r"jay_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", key, re.ASCII)
    assert len(base64.urlsafe_b64decode(key[13:] + "=")) == 32


def test_keys_differ_in_every_part():
    keys = [key_text.generate() for _ in range(50)]
    assert len({key[:12] for key in keys}) == len({key[13:] for key in keys}) == 50


def test_a_generated_key_has_the_form_of_a_key():
    assert all(key_text.has_form(key_text.generate()) for _ in range(50))
    assert key_text.has_form(KEY)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("jay_", id="beginning"),
        pytest.param(KEY[:-1], id="too_short"),
        pytest.param(KEY + "a", id="too_long"),
        pytest.param(KEY + "\n", id="line_feed"),
        pytest.param(" " + KEY, id="space"),
        pytest.param(KEY.replace("jay_", "JAY_"), id="upper_case_prefix"),
        pytest.param(KEY.replace("3f9c", "3F9C"), id="upper_case_hex"),
        pytest.param(KEY.replace("3f9c", "3g9c"), id="no_hex"),
        pytest.param(KEY.replace("A", "Ä"), id="umlaut"),
        pytest.param(KEY.replace("3f9c", "٣f9c"), id="arabic_digit"),
        pytest.param(KEY.replace("-", "+"), id="standard_alphabet"),
        pytest.param(KEY.replace("A", "\0"), id="nul"),
        pytest.param(KEY.replace("A", "\ud800"), id="lone_surrogate"),
    ],
)
def test_what_is_no_key_has_not_the_form_of_one(text):
    assert not key_text.has_form(text)


def test_the_prefix_shows_nothing_of_the_random_bits():
    assert key_text.prefix(KEY) == "jay_3f9c01ab"
    assert len(key_text.prefix(KEY)) == key_text.PREFIX_LENGTH


def test_the_digest_is_the_sha_256_of_the_whole_key():
    assert key_text.digest(KEY) == hashlib.sha256(KEY.encode()).hexdigest()
    assert key_text.digest(KEY) != key_text.digest(KEY[:-1] + "f")
