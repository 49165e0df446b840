import copy
import json
import pickle

import pytest
from django.template import engines
from hypothesis import given
from hypothesis import strategies as st

from jay_sessions import sessions
from jay_sessions.core import key_text, tokens
from jay_sessions.core.secret_text import MASK, Secret, masked, scrub
from jay_sessions.http import received

from ..conftest import EXAMPLE_TOKEN, key_of

KEY = f"jay_0123abcd_{'k' * 43}"


def test_a_secret_is_text_that_shows_itself_only_where_it_is_asked_to():
    secret = Secret(KEY)
    assert secret == KEY
    assert {KEY: 1}[secret] == 1
    for told in (
        repr(secret),
        repr([secret]),
        f"{secret!r}",
        ascii(secret),
        str({"a": secret}),
    ):
        assert MASK in told
        assert "kkk" not in told
    for same in (str(secret), f"{secret}", "".join([secret]), json.loads(json.dumps(secret))):
        assert same == KEY
        assert type(same) is str
    for copied in (copy.deepcopy(secret), pickle.loads(pickle.dumps(secret))):
        assert (copied, repr(copied)) == (KEY, repr(secret))
    assert engines["django"].from_string("{{ text }}").render({"text": secret}) == KEY


@pytest.mark.django_db
def test_what_is_handed_on_is_masked(issue_key):
    key = issue_key()
    assert key_of(key) is not None
    started = sessions.start("netflix-de", "somebody-4711")
    token = received({"HTTP_X_JAY_TRACKING": started.encoded, "HTTP_COOKIE": ""})[0]
    for held in (key, key_text.generate(), started, started.encoded, token, sessions.read([token])):
        said = repr([held])
        assert MASK in said
        for secret in (key, started.encoded, "somebody-4711"):
            assert secret not in said


def test_a_token_tells_what_is_no_secret():
    token = tokens.decode(EXAMPLE_TOKEN, [b"key"])
    assert "example-session-id-1234" in repr(token)
    assert "user_id=None" in repr(token)
    assert masked(token, "session_id").startswith(f"Token(session_id={MASK}, start_time=")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"X-API-Key: {KEY}.", f"X-API-Key: jay_0123abcd_{MASK}."),
        (f"{KEY[:30]}… cut off", f"jay_0123abcd_{MASK}… cut off"),
        (f"token={EXAMPLE_TOKEN}; x", f"token={MASK}; x"),
        (f"'{EXAMPLE_TOKEN[:40]}", f"'{MASK}"),
        ("GET /v3/sessions/abc%20d?x=1", f"GET /v3/sessions/{MASK}?x=1"),
        ("https://t/api/v3/users/ada/sessions 404", f"https://t/api/v3/users/{MASK} 404"),
        ("DELETE /v4/sessions/site/abc", f"DELETE /v4/sessions/{MASK}"),
        (
            "/playouts/p/tracking/session?a=1&user_id=ada&b=2",
            f"/playouts/p/tracking/session?a=1&user_id={MASK}&b=2",
        ),
        ("next=%2Fx%3Fuser_id%3Dada", f"next=%2Fx%3Fuser_id%3D{MASK}"),
        ("""{"user_id": "a\\"b", "c": 1}""", f"""{{"user_id": {MASK}, "c": 1}}"""),
        ("{'userId': 'ada', 'c': 1}", f"{{'userId': {MASK}, 'c': 1}}"),
        ("{&#x27;user_id&#x27;: &#x27;ada&#x27;, 1}", f"{{&#x27;user_id&#x27;: {MASK}, 1}}"),
        (r'"{\"user_id\": \"ada\"}"', f'"{{\\"user_id\\": {MASK}'),
        ("oh\nDETAIL:  Failing row contains (1, ada).\nmore", f"oh\nDETAIL: {MASK}\nmore"),
        ("Authorization: ZEPHR-HMAC-SHA256 a:1:n:abc", f"Authorization: ZEPHR-HMAC-SHA256 {MASK}"),
        ("The user_id of jay_sessions is in eyes, /v3/sessions/ too", None),
        ("Bad Gateway: /v3/sessions/{id}", None),
        ("GET /v3/sessions/{id} /v3/sessions/{id}x", f"GET /v3/sessions/{{id}} /v3/sessions/{MASK}"),
        ("Error in details: user_id", None),
    ],
)
def test_secrets_are_found_by_their_form(text, clean):
    assert scrub(text) == (text if clean is None else clean)


@given(st.text())
def test_any_text_can_be_scrubbed_twice(text):
    assert scrub(scrub(text)) == scrub(text)
