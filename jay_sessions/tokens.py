"""The tracking token: what a session says of itself, as it travels in the cookie and the header.

Base64 of a JSON object with `session_id`, `start_time`, `source` and, where present, `user_id` and
`provider_name`, as the JAY reference describes it; `signature` is ours, and other readers ignore it.
"""

import base64
import binascii
import dataclasses
import datetime
import hmac
import json
import uuid
from collections.abc import Iterable
from typing import Any

from .exceptions import InvalidToken, InvalidValue
from .identifiers import check_text
from .strict_json import refuse_constant

MAX_LENGTH = 4096

_quoted = json.encoder.encode_basestring_ascii
# Sorted, so that a reader which keeps the members in another order still agrees.
_as_message = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


@dataclasses.dataclass(frozen=True, slots=True)
class Token:
    """A session's own data. `start_time` is aware and in UTC; `signed` says that we issued it."""

    session_id: str
    start_time: datetime.datetime
    source: str
    user_id: str | None = None
    provider_name: str | None = None
    signed: bool = False


def format_time(value: datetime.datetime) -> str:
    """Return an aware time as the JAY API writes it: UTC, six digits of fraction, no offset."""
    return value.astimezone(datetime.UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def signing_key(secret: str | bytes) -> bytes:
    """Derive the key that signs tokens, so that a token's signature serves no other purpose."""
    if isinstance(secret, str):
        secret = secret.encode("utf-8", "surrogatepass")
    return hmac.digest(secret, b"jay_sessions.tokens", "sha256")


def encode(token: Token, key: bytes) -> str:
    """Return the token as text, signed with `key`."""
    members = {
        "session_id": token.session_id,
        "start_time": format_time(token.start_time),
        "source": token.source,
        "user_id": token.user_id,
        "provider_name": token.provider_name,
    }
    # By hand: a JSON encoder that is told how to write costs more than all the rest.
    written = [f'"{name}":{_quoted(value)}' for name, value in members.items() if value is not None]
    signature = _signature(f"{{{','.join(sorted(written))}}}", key)
    text = f'{{{",".join(written)},"signature":"{signature}"}}'
    # With these escaped, no six bits of the JSON are 62 or 63, the two characters in which the standard
    # and the URL-safe alphabet differ; padded to a multiple of three bytes, it also ends without "=".
    text = text.replace(">", "\\u003e").replace("?", "\\u003f").replace("~", "\\u007e")
    return base64.b64encode((text + " " * (-len(text) % 3)).encode("ascii")).decode("ascii")


def decode(text: str, keys: Iterable[bytes]) -> Token:
    """Read a token in either Base64 alphabet, with or without padding and quotes.

    A token with a signature must carry that of one of `keys`; one without is read unsigned, unless
    its session id could be one of ours. Raises InvalidToken for anything else.
    """
    try:
        members = _members(text)
        signed = "signature" in members
        if signed and not _is_signed(members, members.pop("signature"), keys):
            raise InvalidToken("The signature is wrong.")
        if not signed and _could_be_ours(members.get("session_id")):
            raise InvalidToken("The signature was cut off.")
        return _token(members, signed)
    except (ValueError, OverflowError, RecursionError, InvalidValue) as error:
        raise InvalidToken("The token is malformed.") from error


_decoder = json.JSONDecoder(parse_constant=refuse_constant)


def _members(text: str) -> dict[str, Any]:
    text = text.strip().strip('"')
    if len(text) > MAX_LENGTH:
        raise ValueError("Too long.")
    text = text.replace("-", "+").replace("_", "/").rstrip("=")
    raw = binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    members = _decoder.decode(raw.decode())
    if not isinstance(members, dict):
        raise ValueError("No JSON object.")
    return members


def _signature(message: str, key: bytes) -> str:
    digest = hmac.digest(key, message.encode("ascii"), "sha256")
    return base64.urlsafe_b64encode(digest)[:-1].decode("ascii")


def _is_signed(members: dict[str, Any], signature: Any, keys: Iterable[bytes]) -> bool:
    if not isinstance(signature, str):
        return False
    given, message = signature.encode("ascii"), _as_message(members)
    return any(hmac.compare_digest(given, _signature(message, key).encode("ascii")) for key in keys)


def _could_be_ours(session_id: Any) -> bool:
    try:
        return uuid.UUID(session_id).version == 7
    except (ValueError, TypeError, AttributeError):
        return False


def _token(members: dict[str, Any], signed: bool) -> Token:
    session_id, source = check_text(members.get("session_id")), check_text(members.get("source"))
    if not session_id or not source:
        raise ValueError("A member is empty.")
    start_time = datetime.datetime.fromisoformat(check_text(members.get("start_time")))
    if start_time.tzinfo is None:
        start_time = start_time.replace(tzinfo=datetime.UTC)
    optional = [members.get(name) for name in ("user_id", "provider_name")]
    user_id, provider_name = (None if value is None else check_text(value) for value in optional)
    return Token(
        session_id=session_id,
        start_time=start_time.astimezone(datetime.UTC),
        source=source,
        user_id=user_id or None,
        provider_name=provider_name or None,
        signed=signed,
    )
