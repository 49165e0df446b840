import base64
import datetime
import hmac
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jay_sessions.core import tokens
from jay_sessions.core.tokens import Token, decode, encode
from jay_sessions.core.uuid7 import uuid7
from jay_sessions.exceptions import InvalidToken

from ..conftest import EXAMPLE_TOKEN, members_of, unsigned

KEY = tokens.signing_key("correct horse battery staple")
NOON = datetime.datetime(2025, 9, 2, 12, 0, 0, 123456, tzinfo=datetime.UTC)
OURS = uuid7(NOON, 2**61 + 1)
TOKEN = Token(str(OURS), NOON, "jay.api.playout.1.0.0", "user-123456", "netflix", signed=True)
VECTORS = json.loads(Path(__file__).with_name("tokens.json").read_text())

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=255)


def base64_of(content: bytes | str) -> str:
    return base64.b64encode(content.encode() if isinstance(content, str) else content).decode()


def rewritten(**changes: Any) -> str:
    """Our own token, with its members changed and nothing signed anew."""
    members = {**members_of(encode(TOKEN, KEY)), **changes}
    return base64_of(json.dumps({name: value for name, value in members.items() if value is not ...}))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_token_is_what_another_program_makes_of_the_same_data(vector):
    key = tokens.signing_key(vector["secret"])
    members = dict(vector["token"])
    time = datetime.datetime.fromisoformat(members.pop("start_time")).replace(tzinfo=datetime.UTC)
    token = Token(start_time=time, **members, signed=True)
    assert encode(token, key) == vector["encoded"]
    assert base64.b64decode(vector["encoded"]).decode() == vector["json"]
    assert decode(vector["encoded"], [key]) == token


def test_a_secret_may_be_bytes():
    assert tokens.signing_key("schlüssel") == tokens.signing_key("schlüssel".encode())


@given(texts, st.none() | texts, st.none() | texts, st.datetimes(timezones=st.just(datetime.UTC)))
def test_a_token_reads_as_it_was_written(source, user_id, provider_name, time):
    token = Token(str(OURS), time, source, user_id, provider_name, signed=True)
    encoded = encode(token, KEY)
    if len(encoded) <= tokens.MAX_LENGTH:
        assert decode(encoded, [KEY]) == token
    else:
        with pytest.raises(InvalidToken):
            decode(encoded, [KEY])


plain = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=20)


@given(plain, st.none() | plain, st.none() | plain, st.data())
def test_a_token_as_we_write_it_reads_as_if_it_were_parsed(source, user_id, provider_name, data):
    """Whatever is changed in it: reading it without a parser takes nothing that the parser refuses."""
    text = base64.b64decode(encode(Token(str(OURS), NOON, source, user_id, provider_name), KEY)).decode()
    if data.draw(st.booleans()):
        place, character = data.draw(st.integers(0, len(text) - 1)), data.draw(plain)[0]
        text = text[:place] + character + text[place + data.draw(st.integers(0, 1)) :]
    read = tokens._as_encoded(base64_of(text), [KEY])
    if read is not None:
        assert read == tokens._decoded(text, [KEY])
        assert read == decode(base64_of(text), [KEY])


def test_a_token_as_we_write_it_is_read_without_a_parser():
    assert tokens._as_encoded(encode(TOKEN, KEY), [KEY]) == TOKEN
    assert tokens._as_encoded(encode(TOKEN, KEY), [tokens.signing_key("another")]) is None


@given(st.binary(min_size=1, max_size=500))
def test_the_signature_is_hmac_sha256_of_the_message(secret):
    key = tokens.signing_key(secret)
    members = members_of(encode(TOKEN, key))
    signature = members.pop("signature")
    message = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    expected = hmac.digest(key, message, "sha256")
    assert base64.urlsafe_b64decode(signature + "=") == expected


@given(texts, st.none() | texts, st.none() | texts)
def test_a_token_is_the_same_in_both_alphabets_and_without_padding(source, user_id, provider_name):
    encoded = encode(Token(str(OURS), NOON, source, user_id, provider_name), KEY)
    assert encoded.isascii()
    assert encoded.isalnum()
    raw = base64.b64decode(encoded, validate=True)
    assert base64.urlsafe_b64decode(encoded) == raw
    assert json.loads(raw)["source"] == source
    assert all(0x20 <= byte < 0x7F and byte not in b">?~" for byte in raw)


def test_a_token_holds_the_members_of_the_reference_and_our_signature():
    members = members_of(encode(TOKEN, KEY))
    assert members.pop("signature")
    assert members == {
        "session_id": str(OURS),
        "start_time": "2025-09-02T12:00:00.123456",
        "source": "jay.api.playout.1.0.0",
        "user_id": "user-123456",
        "provider_name": "netflix",
    }


def test_what_has_no_value_is_left_out():
    members = members_of(encode(Token(str(OURS), NOON, "here"), KEY))
    assert set(members) == {"session_id", "start_time", "source", "signature"}


def test_a_time_is_written_in_utc_with_six_digits():
    time = datetime.datetime(2025, 9, 2, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    assert tokens.format_time(time) == "2025-09-02T00:00:00.000000"


@given(st.datetimes(timezones=st.just(datetime.UTC)))
def test_a_time_is_written_as_python_writes_it(time):
    assert tokens.format_time(time) == time.replace(tzinfo=None).isoformat(timespec="microseconds")


def test_the_token_of_the_reference_is_read():
    assert decode(EXAMPLE_TOKEN, [KEY]) == Token(
        session_id="example-session-id-1234",
        start_time=datetime.datetime(2025, 1, 1, 12, tzinfo=datetime.UTC),
        source="jay.api.playout.example",
        signed=False,
    )


WITH_ALL_CHARACTERS = base64_of(
    '{"session_id":"a>>>???~~~","start_time":"2025-01-01T12:00:00.000000","source":"a?b~c>  ÿÿÿ"}   '
)


@pytest.mark.parametrize(
    "spell",
    [
        pytest.param(lambda text: text, id="standard"),
        pytest.param(lambda text: text.replace("+", "-").replace("/", "_"), id="url_safe"),
        pytest.param(lambda text: text.rstrip("="), id="no_padding"),
        pytest.param(lambda text: f'"{text}"', id="quoted"),
        pytest.param(lambda text: f'"{text.rstrip("=")}"', id="quoted_without_padding"),
        pytest.param(lambda text: f" {text} ", id="outer_space"),
    ],
)
@pytest.mark.parametrize("spaces", [0, 1, 2])
def test_every_spelling_of_a_token_is_read(spell, spaces):
    plain = WITH_ALL_CHARACTERS
    text = base64_of(base64.b64decode(plain) + b" " * spaces)
    assert "+" in text
    assert "/" in text
    assert decode(spell(text), [KEY]) == decode(plain, [KEY])


def test_our_own_token_is_read_in_quotes():
    assert decode(f'"{encode(TOKEN, KEY)}"', [KEY]) == TOKEN


def test_a_token_of_4096_characters_is_read_and_a_longer_one_refused():
    start = '{"session_id":"a","start_time":"2025-01-01T12:00:00","source":"b"'
    longest = start + " " * (3072 - len(start) - 1) + "}"
    assert len(base64_of(longest)) == 4096
    assert decode(base64_of(longest), [KEY]).session_id == "a"
    with pytest.raises(InvalidToken):
        decode(base64_of(longest + " "), [KEY])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param('""', id="empty_quotes"),
        pytest.param("=", id="padding_alone"),
        pytest.param("====", id="much_padding_alone"),
        pytest.param("%%%%", id="no_base64"),
        pytest.param("eyJ zZXNzaW9u", id="inner_space"),
        pytest.param("eyJ\nzZXNzaW9u", id="inner_line_feed"),
        pytest.param("eyJzZXNz=aW9u", id="inner_padding"),
        pytest.param("eyJzZ", id="impossible_length"),
        pytest.param("😀" * 4, id="emoji"),
        pytest.param("\ud800" * 4, id="lone_surrogate"),
        pytest.param("\0" * 4, id="nul"),
        pytest.param(base64_of(b"\xff\xfe{}"), id="no_utf_8"),
        pytest.param(base64_of(unsigned().encode("utf-16")), id="utf_16"),
        pytest.param(base64_of(b"\xef\xbb\xbf" + base64.b64decode(unsigned())), id="byte_order_mark"),
        pytest.param(base64_of("session_id=1"), id="no_json"),
        pytest.param(base64_of(base64.b64decode(unsigned()) + b"{}"), id="two_objects"),
        pytest.param(base64_of("null"), id="null"),
        pytest.param(base64_of("[]"), id="list"),
        pytest.param(base64_of('"text"'), id="string"),
        pytest.param(base64_of("1"), id="number"),
        pytest.param(base64_of("{}"), id="no_members"),
        pytest.param(base64_of("[" * 3072), id="deep_lists"),
        pytest.param(base64_of('{"":' * 768), id="deep_objects"),
        pytest.param(base64_of("[" * 1536 + "]" * 1536), id="deep_lists_that_end"),
        pytest.param(base64_of('{"a":' * 512 + "1" + "}" * 511), id="deep_objects_that_end"),
        pytest.param(base64_of("9" * 3072), id="huge_number"),
        pytest.param(base64_of('{"signature":' + "[" * 1500 + "]" * 1500 + "}"), id="deep_signature"),
        pytest.param("A" * 1_000_000, id="a_million_characters"),
        pytest.param('"' * 10_000, id="quotes_alone"),
    ],
)
def test_what_is_no_token_is_refused(text):
    with pytest.raises(InvalidToken):
        decode(text, [KEY])


@pytest.mark.parametrize("cut", [4, 5, 8, 40, 200, 300])  # Up to three characters may be mere spaces.
def test_a_truncated_token_is_refused(cut):
    with pytest.raises(InvalidToken):
        decode(encode(TOKEN, KEY)[:-cut], [KEY])


NO_TEXT = {"missing": ..., "null": None, "number": 5, "true": True, "list": ["a"], "object": {"a": "b"}}
NO_TIME = {
    "word": "yesterday",
    "month": "2025-13-01T00:00:00",
    "second_61": "2025-01-01T00:00:61",
    "number_text": "1735732800.5",
    "emoji": "😀",
}
BAD_TEXT = {
    "nul": "a\0b",
    "line_feed": "a\nb",
    "delete": "a\x7fb",
    "next_line": "a\x85b",
    "lone_surrogate": "a\ud800b",
    "256_characters": "a" * 256,
}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        pytest.param(member, value, id=f"{member}-{name}")
        for member, values in {
            "session_id": {**NO_TEXT, **BAD_TEXT, "empty": ""},
            "start_time": {**NO_TEXT, **BAD_TEXT, **NO_TIME, "empty": ""},
            "source": {**NO_TEXT, **BAD_TEXT, "empty": ""},
            "user_id": {"number": 5, "true": True, "list": ["a"], "object": {"a": "b"}, **BAD_TEXT},
            "provider_name": {"number": 5, "false": False, "list": [], "object": {}, **BAD_TEXT},
        }.items()
        for name, value in values.items()
    ],
)
def test_a_member_that_cannot_be_is_refused(member, value):
    with pytest.raises(InvalidToken):
        decode(unsigned(**{member: value}), [KEY])


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_what_python_takes_for_json_and_json_does_not_know_is_refused(constant):
    content = base64.b64decode(unsigned()).decode().replace("}", f', "more": {constant}}}')
    with pytest.raises(InvalidToken):
        decode(base64_of(content), [KEY])


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00"])
def test_a_time_that_no_calendar_holds_in_utc_is_refused(time):
    with pytest.raises(InvalidToken):
        decode(unsigned(start_time=time), [KEY])


@pytest.mark.parametrize("time", ["2025-01-01T12:00:00Z", "2025-01-01T13:00:00+01:00", "2025-01-01T12:00:00"])
def test_a_time_is_read_as_utc_unless_it_says_otherwise(time):
    read = decode(unsigned(start_time=time), [KEY]).start_time
    assert read == datetime.datetime(2025, 1, 1, 12, tzinfo=datetime.UTC)
    assert read.utcoffset() == datetime.timedelta()


def test_optional_members_that_are_null_count_as_absent():
    token = decode(unsigned(user_id=None, provider_name=None), [KEY])
    assert (token.user_id, token.provider_name) == (None, None)


def test_members_of_the_greatest_length_are_read():
    token = decode(unsigned(session_id="s" * 255, source="o" * 255, user_id="😀" * 100), [KEY])
    assert (len(token.session_id), len(token.source), token.user_id) == (255, 255, "😀" * 100)


def test_unknown_members_of_an_unsigned_token_are_ignored():
    assert decode(unsigned(more={"a": [1]}), [KEY]) == decode(unsigned(), [KEY])


def test_our_own_token_may_be_written_in_another_order_and_with_other_spaces():
    members = members_of(encode(TOKEN, KEY))
    text = base64_of(json.dumps(dict(reversed(members.items())), indent=3, ensure_ascii=False))
    assert decode(text, [KEY]) == TOKEN


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"session_id": str(uuid7(NOON, 5))}, id="session_id"),
        pytest.param({"session_id": str(OURS).upper()}, id="session_id_upper_case"),
        pytest.param({"session_id": "example-session-id-1234"}, id="session_id_of_another_kind"),
        pytest.param({"start_time": "2025-09-02T12:00:00.123457"}, id="start_time"),
        pytest.param({"start_time": "2025-09-02T12:00:00.123456Z"}, id="start_time_spelling"),
        pytest.param({"source": "elsewhere"}, id="source"),
        pytest.param({"user_id": "user-123457"}, id="user_id"),
        pytest.param({"user_id": ...}, id="user_id_removed"),
        pytest.param({"user_id": None}, id="user_id_null"),
        pytest.param({"provider_name": "disney"}, id="provider_name"),
        pytest.param({"provider_name": ...}, id="provider_name_removed"),
        pytest.param({"admin": True}, id="unknown_added"),
        pytest.param({"": None}, id="nameless_added"),
        pytest.param({"Signature": "x"}, id="other_signature_added"),
    ],
)
def test_a_token_that_was_tampered_with_is_refused(changes):
    with pytest.raises(InvalidToken):
        decode(rewritten(**changes), [KEY])


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(None, id="null"),
        pytest.param("", id="empty"),
        pytest.param(0, id="zero"),
        pytest.param(5, id="number"),
        pytest.param(True, id="true"),
        pytest.param(False, id="false"),
        pytest.param([], id="list"),
        pytest.param({}, id="object"),
        pytest.param("A" * 43, id="another"),
        pytest.param("ä" * 43, id="no_ascii"),
        pytest.param("\ud800", id="lone_surrogate"),
        pytest.param(members_of(encode(TOKEN, KEY))["signature"][:-1], id="shortened"),
        pytest.param(members_of(encode(TOKEN, KEY))["signature"] + "A", id="lengthened"),
        pytest.param(members_of(encode(TOKEN, KEY))["signature"].swapcase(), id="swapped_case"),
    ],
)
@pytest.mark.parametrize("forge", [rewritten, unsigned], ids=["ours", "foreign"])
def test_a_signature_that_is_not_right_is_refused(forge, signature):
    with pytest.raises(InvalidToken):
        decode(forge(signature=signature), [KEY])


def test_a_token_signed_by_a_stranger_is_refused():
    with pytest.raises(InvalidToken):
        decode(encode(TOKEN, tokens.signing_key("another")), [KEY])


def test_a_token_signed_with_the_bare_secret_is_refused():
    with pytest.raises(InvalidToken):
        decode(encode(TOKEN, b"correct horse battery staple"), [KEY])


def test_each_of_the_keys_verifies():
    old, new = tokens.signing_key("old"), tokens.signing_key("new")
    assert decode(encode(TOKEN, old), [new, old]).signed
    with pytest.raises(InvalidToken):
        decode(encode(TOKEN, old), [new])
    with pytest.raises(InvalidToken):
        decode(encode(TOKEN, old), [])


def test_a_token_with_its_signature_cut_off_is_refused():
    with pytest.raises(InvalidToken):
        decode(rewritten(signature=...), [KEY])


EARLY = uuid7(datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=datetime.UTC), 1)
WIDE = str.maketrans("0123456789", "０１２３４５６７８９")  # noqa: RUF001


@pytest.mark.parametrize(
    ("value", "spelling"),
    [
        pytest.param(OURS, str(OURS), id="canonical"),
        pytest.param(OURS, str(OURS).upper(), id="upper_case"),
        pytest.param(OURS, OURS.hex, id="no_hyphens"),
        pytest.param(OURS, OURS.urn, id="urn"),
        pytest.param(OURS, f"uuid:{OURS}", id="uuid_prefix"),
        pytest.param(OURS, f"urn:{OURS}", id="urn_prefix_alone"),
        pytest.param(OURS, f"{{{OURS}}}", id="braces"),
        pytest.param(OURS, f"{{{{{OURS}", id="opening_braces"),
        pytest.param(OURS, f"urn:uuid:{{{OURS.hex}}}", id="urn_and_braces"),
        pytest.param(OURS, "-".join(OURS.hex), id="hyphens_everywhere"),
        pytest.param(OURS, f"--{OURS}--", id="outer_hyphens"),
        pytest.param(OURS, f"+{OURS.hex[1:]}", id="plus_sign"),
        pytest.param(OURS, f" {OURS.hex[1:]}", id="leading_space"),
        pytest.param(OURS, f"{OURS.hex[1:]} ", id="trailing_space"),
        pytest.param(OURS, f"{OURS.hex[1:9]}_{OURS.hex[9:]}", id="underscore"),
        pytest.param(OURS, OURS.hex.translate(WIDE), id="wide_digits"),
        pytest.param(OURS, f"\u3000{OURS.hex[1:]}", id="wide_space"),
        pytest.param(EARLY, f"0x{EARLY.hex[2:]}", id="hexadecimal_prefix"),
    ],
)
def test_no_unsigned_token_has_an_id_of_ours_however_it_is_spelled(value, spelling):
    assert uuid.UUID(spelling) == value
    with pytest.raises(InvalidToken):
        decode(unsigned(session_id=spelling), [KEY])
    with pytest.raises(InvalidToken):
        decode(rewritten(session_id=spelling, signature=...), [KEY])


@pytest.mark.parametrize("version", [1, 3, 4, 5])
def test_an_unsigned_token_may_have_another_kind_of_uuid(version):
    value = str(uuid.UUID(int=OURS.int, version=version))
    assert decode(unsigned(session_id=value), [KEY]).session_id == value


@given(st.text(max_size=200) | st.text(st.characters(max_codepoint=127), max_size=200))
def test_no_text_does_more_than_be_refused(text):
    try:
        decode(text, [KEY])
    except InvalidToken:
        pass


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(["session_id", "start_time", "source", "user_id", "provider_name", "signature", "x"])


@given(st.dictionaries(names, json_values))
def test_no_json_does_more_than_be_refused(changes):
    try:
        assert not decode(unsigned(**changes), [KEY]).signed
    except InvalidToken:
        pass


@given(st.data())
def test_a_token_that_was_mutated_is_refused_or_says_the_same(data):
    raw = bytearray(base64.b64decode(encode(TOKEN, KEY)))
    if data.draw(st.booleans(), label="before Base64"):
        start = data.draw(st.integers(0, len(raw) - 1))
        raw[start : start + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
        text = base64_of(bytes(raw))
    else:
        text = encode(TOKEN, KEY)
        start = data.draw(st.integers(0, len(text) - 1))
        end = start + data.draw(st.integers(0, 4))
        text = text[:start] + data.draw(st.text(max_size=4)) + text[end:]
    try:
        assert decode(text, [KEY]) == TOKEN
    except InvalidToken:
        pass


def test_a_token_cannot_be_changed():
    with pytest.raises(AttributeError):
        TOKEN.user_id = "another"
