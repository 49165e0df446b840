"""What an answer of Zephr means: the object of a 200, and the failure that any other status stands for."""

import datetime
import email.utils
import json
import math
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from ..exceptions import (
    ZephrBadResponse,
    ZephrClockSkew,
    ZephrCredentialsRejected,
    ZephrSessionNotFound,
    ZephrThrottled,
    ZephrUnavailable,
)
from ..strict_json import refuse_constant
from .retries import Failure

MAX_BODY_BYTES = 2**20
"""Bytes of an answer's body, both as sent and after decompression."""

MAX_DEPTH = 100
"""Levels of nesting in an answer: a deeper one may be readable, yet too deep to be written again."""

MAX_RETRY_AFTER = 3600
"""Seconds of waiting that we let Zephr ask for."""

MAX_CLOCK_SKEW = 30
"""Seconds by which our clock may differ from Zephr's before a refusal is put down to it."""

_PASSING_STATUSES = frozenset({500, 502, 503, 504})
_GZIP_OR_ZLIB = 47


def read(chunks: Iterable[bytes]) -> bytes:
    """Return a body. Raises ZephrBadResponse as soon as it is over `MAX_BODY_BYTES`."""
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ZephrBadResponse("Zephr answered with too long a body.")
    return bytes(body)


def parse(body: bytes, encoding: str) -> Mapping[str, Any]:
    """Return the JSON object of a body with that Content-Encoding.

    Raises ZephrBadResponse, which repeats nothing of the body, for one that is not whole, no strict
    JSON, no object, too long or too deep.
    """
    try:
        value = _decoder.decode(_decode(body, encoding).decode())
    except (ValueError, RecursionError):
        # Not raised from here: these exceptions carry the body along.
        value = None
    if not isinstance(value, dict) or _is_deep(value):
        raise ZephrBadResponse("Zephr answered with something that is no JSON object.")
    return value


def refusal(status: int, headers: Mapping[str, str], sent_at: float, received_at: float) -> Failure:
    """Return what any status but 200 means.

    `sent_at` and `received_at` say when the request went out and the answer came, by our clock, in
    seconds since the epoch. The names in `headers` must be found in any case.
    """
    wish = _retry_after(headers.get("Retry-After", ""), received_at)
    if status == 404:
        return Failure(ZephrSessionNotFound("Zephr does not know this session."))
    if status in (401, 403):
        return Failure(_rejection(status, skew(headers, sent_at, received_at)))
    if status == 429:
        seconds = None if wish is None else math.ceil(min(max(wish, 1), MAX_RETRY_AFTER))
        error = ZephrThrottled("Zephr throttles us (429).", seconds)
        return Failure(error, may_pass=wish is not None, retry_after=wish or 0.0)
    if 500 <= status <= 599:
        failed = ZephrUnavailable(f"Zephr answered with the status {status}.")
        return Failure(failed, may_pass=status in _PASSING_STATUSES, retry_after=wish or 0.0)
    return Failure(ZephrBadResponse(f"Zephr answered with the unexpected status {status}."))


def skew(headers: Mapping[str, str], sent_at: float, received_at: float) -> float | None:
    """Return how many seconds our clock is ahead of the one behind an answer's `Date`, None without it.

    The other parameters are those of `refusal`.
    """
    theirs = _timestamp(headers.get("Date", ""))
    return None if theirs is None else (sent_at + received_at) / 2 - theirs


def _decode(body: bytes, encoding: str) -> bytes:
    # By hand, as the libraries decompress a bomb before they can be asked how long it is.
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise ZephrBadResponse("Zephr answered in a Content-Encoding that was not asked for.")
    decompressor = zlib.decompressobj(wbits=_GZIP_OR_ZLIB)
    try:
        plain = decompressor.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error:
        # Not raised from here: what an exception stands for brings its frames, and they the body.
        plain = None
    if plain is None:
        raise ZephrBadResponse("Zephr answered with a body that cannot be decompressed.")
    if len(plain) > MAX_BODY_BYTES:
        raise ZephrBadResponse("Zephr answered with too long a body.")
    if not decompressor.eof or decompressor.unused_data:
        raise ZephrBadResponse("Zephr answered with a compressed body that is not whole.")
    return plain


def _finite(text: str) -> float:
    # 1e999 is JSON, but becomes an infinity, which no JSON can hold.
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


def _timestamp(date: str) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(date)
        return moment.replace(tzinfo=moment.tzinfo or datetime.UTC).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
