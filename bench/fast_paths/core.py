"""The fast paths that need neither request nor database: tokens, ids, times, answers."""

import base64
import datetime
import hmac
import json
from collections.abc import Iterator

from django.http import HttpResponse
from rest_framework.renderers import JSONRenderer

from jay_sessions import conf, http
from jay_sessions.api import serializers
from jay_sessions.core import tokens, uuid7
from jay_sessions.core.secret_text import Secret
from jay_sessions.core.tokens import Token
from jay_sessions.lane import body

from .pair import Pair

NOW = datetime.datetime(2026, 7, 14, 9, 26, 53, 589793, tzinfo=datetime.UTC)
PLAYOUT = "netflix-de:0001"
KEY = tokens.signing_key("bench" * 10)
TOKEN = Token(uuid7.uuid7_text(NOW, 1), NOW, "jay.api.playout.1.0.0", "user-000001", "netflix", True)
ENCODED = tokens.encode(TOKEN, KEY)
MESSAGE = "x" * 200
"""As long as what a token's signature is of."""


def pairs() -> Iterator[Pair]:
    """Give all of them."""
    yield from _of_tokens()
    yield from _of_ids_and_times()
    yield from _of_answers()


def _of_tokens() -> Iterator[Pair]:
    yield Pair(
        name="tokens.encode",
        fast=lambda: tokens.encode(TOKEN, KEY),
        plain=lambda: encoded(TOKEN, KEY),
        says="`json.dumps`, twice; Base64",
        post=1,
    )
    yield Pair(
        name="tokens.decode",
        fast=lambda: tokens.decode(ENCODED, (KEY,)),
        plain=lambda: tokens._decoded(tokens._raw(ENCODED), (KEY,)),
        says="the reader of other tokens: JSON, each member checked",
        get=1,
    )
    yield Pair(
        name="tokens: signature",
        fast=lambda: tokens._signature(MESSAGE, KEY),
        plain=lambda: signature(MESSAGE, KEY),
        says="`hmac.digest`, `urlsafe_b64encode`",
        post=1,
        get=1,
    )


def _of_ids_and_times() -> Iterator[Pair]:
    yield Pair(
        name="tokens.format_time",
        fast=lambda: tokens.format_time(NOW),
        plain=lambda: formatted(NOW),
        says="`datetime.isoformat`",
        # In the token and in the answer.
        post=2,
        get=1,
    )
    yield Pair(
        name="uuid7.uuid7_text",
        fast=lambda: uuid7.uuid7_text(NOW, 1),
        plain=lambda: str(uuid7.uuid7(NOW, 1)),
        says="`str` of a `uuid.UUID`",
        post=1,
    )


def _of_answers() -> Iterator[Pair]:
    renderer = JSONRenderer()
    yield Pair(
        name="lane.body.body_of",
        fast=lambda: body.body_of(TOKEN),
        plain=lambda: renderer.render({"data": serializers.TrackingSessionSerializer(TOKEN).data}),
        says="the serializer and DRF's `JSONRenderer`",
        post=1,
        get=1,
    )
    yield Pair(
        name="http.headers",
        fast=lambda: http.headers(ENCODED),
        plain=lambda: sent(ENCODED),
        says="`HttpResponse.set_cookie`",
        post=1,
    )


def encoded(token: Token, key: bytes) -> str:
    members = {
        "session_id": token.session_id,
        "start_time": tokens.format_time(token.start_time),
        "source": token.source,
        "user_id": token.user_id,
        "provider_name": token.provider_name,
    }
    members = {name: value for name, value in members.items() if value is not None}
    message = json.dumps(members, sort_keys=True, separators=(",", ":"))
    members["signature"] = tokens._signature(message, key).decode()
    text = json.dumps(members, separators=(",", ":"))
    text = text.replace(">", "\\u003e").replace("?", "\\u003f").replace("~", "\\u007e")
    return base64.b64encode((text + " " * (-len(text) % 3)).encode()).decode()


def signature(message: str, key: bytes) -> bytes:
    return base64.urlsafe_b64encode(hmac.digest(key, message.encode("ascii"), "sha256")).rstrip(b"=")


def formatted(value: datetime.datetime) -> str:
    return value.astimezone(datetime.UTC).isoformat(timespec="microseconds").removesuffix("+00:00")


def sent(text: Secret) -> list[tuple[str, str]]:
    response = HttpResponse()
    http.send(response, text)
    cookie = response.cookies[conf.get().cookie_name].OutputString()
    return [(http.HEADER, response[http.HEADER]), ("Set-Cookie", cookie)]
