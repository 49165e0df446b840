"""Interprets Zephr's answers: a 200 becomes a JSON object, any other status a failure."""

import datetime
import email.utils
import json
import math
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from ..core.strict_json import refuse_constant
from ..exceptions import (
    ZephrBadResponse,
    ZephrClockSkew,
    ZephrCredentialsRejected,
    ZephrSessionNotFound,
    ZephrThrottled,
    ZephrUnavailable,
)
from .retries import Failure

MAX_BODY_BYTES = 2**20
"""Largest body of an answer in bytes, before and after decompression."""

MAX_DEPTH = 100
"""Levels of nesting in an answer. A deeper answer may be readable, yet too deep to be written again."""

MAX_RETRY_AFTER = 3600
"""The longest wait in seconds that we accept from Zephr."""

MAX_CLOCK_SKEW = 30
"""If our clock differs from Zephr's by more seconds than this, a refusal is blamed on the clock."""

PASSING_STATUSES = frozenset({500, 502, 503, 504})
"""After these statuses, of Zephr or of a proxy before it, the next try may succeed."""

_GZIP_OR_ZLIB = 47
_SECONDS = re.compile(r"[0-9]{1,12}")
_USED_UP = re.compile(r";[ \t]*r=0+[ \t]*(?:;|$)")
_WINDOW = re.compile(r";[ \t]*t=([0-9]{1,12})[ \t]*(?:;|$)")


def read(chunks: Iterable[bytes]) -> bytes:
    """Return the body. Raises ZephrBadResponse as soon as it is larger than `MAX_BODY_BYTES`."""
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ZephrBadResponse("Zephr answered with too long a body.")
    return bytes(body)


def parse(body: bytes, encoding: str) -> Mapping[str, Any]:
    """Return the JSON object in a body with the given Content-Encoding.

    Raises ZephrBadResponse if the body is cut off, is not strict JSON, is not an object, or is too long or
    too deep. The message repeats nothing of the body.
    """
    try:
        value = _decoder.decode(_decode(body, encoding).decode())
    except (ValueError, RecursionError):
        # ZephrBadResponse is not raised here: these exceptions carry the body along.
        value = None
    if not isinstance(value, dict) or _is_deep(value):
        raise ZephrBadResponse("Zephr answered with something that is not a JSON object.")
    return value


def refusal(status: int, headers: Mapping[str, str], sent_at: float, received_at: float) -> Failure:
    """Return the meaning of any status but 200.

    `sent_at` and `received_at` are the times of the request and of the answer by our clock, in
    seconds since the epoch. `headers` must ignore case in names.
    """
    wish = _retry_after(headers.get("Retry-After", ""), received_at)
    if status == 404:
        return Failure(ZephrSessionNotFound("Zephr does not know this session."))
    if status in (401, 403):
        return Failure(_rejection(status, skew(headers, sent_at, received_at)))
    if status == 429:
        wish = _reset(headers) if wish is None else wish
        seconds = None if wish is None else math.ceil(min(max(wish, 1), MAX_RETRY_AFTER))
        error = ZephrThrottled("Zephr throttles us (429).", seconds)
        return Failure(error, may_pass=wish is not None, retry_after=wish or 0.0)
    if 500 <= status <= 599:
        failed = ZephrUnavailable(f"Zephr answered with the status {status}.")
        return Failure(failed, may_pass=status in PASSING_STATUSES, retry_after=wish or 0.0)
    return Failure(ZephrBadResponse(f"Zephr answered with the unexpected status {status}."))


def skew(headers: Mapping[str, str], sent_at: float, received_at: float) -> float | None:
    """Return how many seconds our clock is ahead of the answer's `Date`; None without that header.

    The parameters are those of `refusal`.
    """
    theirs = _timestamp(headers.get("Date", ""))
    return None if theirs is None else (sent_at + received_at) / 2 - theirs


def _decode(body: bytes, encoding: str) -> bytes:
    # By hand: the libraries decompress a whole "bomb" before they can tell its length.
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise ZephrBadResponse("Zephr answered with a Content-Encoding that was not requested.")
    decompressor = zlib.decompressobj(wbits=_GZIP_OR_ZLIB)
    try:
        plain = decompressor.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error:
        # ZephrBadResponse is not raised here: its context would carry this exception's frames, with the body.
        plain = None
    if plain is None:
        raise ZephrBadResponse("Zephr answered with a body that cannot be decompressed.")
    if len(plain) > MAX_BODY_BYTES:
        raise ZephrBadResponse("Zephr answered with too long a body.")
    if not decompressor.eof or decompressor.unused_data:
        raise ZephrBadResponse("Zephr answered with an invalid compressed body.")
    return plain


def _finite(text: str) -> float:
    # 1e999 is valid JSON, but becomes an infinity, and JSON cannot write that.
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("Out of range.")
    return number


_decoder = json.JSONDecoder(parse_constant=refuse_constant, parse_float=_finite)


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict | list):
                below.extend(item.values() if isinstance(item, dict) else item)
        level = below
    return bool(level)


def _rejection(status: int, ahead: float | None) -> ZephrCredentialsRejected:
    if ahead is None or abs(ahead) <= MAX_CLOCK_SKEW:
        return ZephrCredentialsRejected(f"Zephr refuses the key pair ({status}).")
    return ZephrClockSkew(
        f"Zephr refuses the signature ({status}); this machine's clock is "
        f"{abs(ahead):,.0f} seconds {'ahead of' if ahead > 0 else 'behind'} Zephr's.",
        ahead,
    )


def _retry_after(value: str, now: float) -> float | None:
    # RFC 9110, 10.2.3: whole seconds, or a date.
    if value.isascii() and value.isdigit():
        return float(value)
    date = _timestamp(value)
    return None if date is None else max(date - now, 0.0)


def _reset(headers: Mapping[str, str]) -> float | None:
    # For a 429 only: the window of a limit says nothing about other failures. Whole seconds, in both forms
    # of the IETF's draft: `RateLimit-Reset: 30`, and `RateLimit: "default";r=0;t=30`. The second may name
    # several limits; the used-up ones (r=0) decide how long to wait.
    reset = headers.get("RateLimit-Reset", "").strip()
    if _SECONDS.fullmatch(reset):
        return float(reset)
    limits = [limit for limit in headers.get("RateLimit", "").split(",") if _USED_UP.search(limit)]
    return max((float(match[1]) for limit in limits if (match := _WINDOW.search(limit))), default=None)


def _timestamp(date: str) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(date)
        return moment.replace(tzinfo=moment.tzinfo or datetime.UTC).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
