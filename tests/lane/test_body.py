"""The lane writes an answer with the same bytes as the serializer and the renderer of the views."""

import datetime
import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jay_sessions.api.renderers import AsciiJSONRenderer
from jay_sessions.api.views.tracking_sessions import TrackingSessionView
from jay_sessions.core.tokens import Token
from jay_sessions.lane.body import body_of

EXAMPLE = Token(
    "0198f0d2-7a6b-7c8d-9e0f-123456789abc",
    datetime.datetime(2025, 8, 28, 12, 0, tzinfo=datetime.UTC),
    "jay_sessions",
)

TEXTS = [
    "",
    " ",
    "ada",
    'a "quoted" \\ text',
    "a/b",
    "\x00\x1f\x7f",
    "\r\n\t\b\f",
    "<script>&amp;</script>",
    "Jürgen Müßig",
    "日本語",
    "\u2028\u2029",
    "😀",
    "e\u0301",
    "\ufeff",
    "\ufffd",
    "x" * 255,
    "1",
    "null",
]


def by_the_views(token: Token) -> bytes:
    """Return the body that DRF makes of the session."""
    [renderer] = TrackingSessionView.renderer_classes
    assert renderer is AsciiJSONRenderer
    data = TrackingSessionView.serializer_class(token).data
    return renderer().render({"data": data}, "application/json", {})


def test_a_body_is_the_contracts():
    assert json.loads(body_of(EXAMPLE)) == {
        "data": {
            "sessionId": "0198f0d2-7a6b-7c8d-9e0f-123456789abc",
            "startTime": "2025-08-28T12:00:00.000000",
            "source": "jay_sessions",
        }
    }


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
@pytest.mark.parametrize("name", ["user_id", "provider_name", "source", "session_id"])
def test_each_text_of_a_session_is_written_as_the_views_write_it(name, text):
    token = EXAMPLE._replace(**{name: text})
    assert body_of(token) == by_the_views(token)


@given(
    start_time=st.datetimes(timezones=st.just(datetime.UTC)),
    source=st.text(),
    user_id=st.none() | st.text(),
    provider_name=st.none() | st.text(),
)
def test_any_session_is_written_as_the_views_write_it(start_time, source, user_id, provider_name):
    token = Token(str(uuid.uuid4()), start_time, source, user_id, provider_name)
    assert body_of(token) == by_the_views(token)
