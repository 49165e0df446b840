"""A client of Zephr's Admin API; knows no Django, and may be shared by threads.

The format of the answer: Zephr's reference page for `GET /v3/sessions/{id}`.
"""

import contextlib
import datetime
import email.utils
import json
import math
import re
import time
import uuid
import zlib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import HTTPAdapter

from .. import __version__
from ..exceptions import (
    ZephrBadResponse,
    ZephrCredentialsRejected,
    ZephrError,
    ZephrSessionNotFound,
    ZephrThrottled,
    ZephrUnavailable,
)
from ..strict_json import refuse_constant
from . import transport
from .session import ZephrSession, clean_session_id
from .signature import authorization

MAX_BODY_BYTES = 2**20
"""Bytes of an answer's body, both as sent and after decompression."""

MAX_DEPTH = 100
"""Levels of nesting in an answer: a deeper one may be readable, yet too deep to be written again."""

MAX_RETRY_AFTER = 3600
"""Seconds of waiting that we let Zephr ask for."""

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "User-Agent": f"django-jay-sessions/{__version__}",
}
_CHUNK_BYTES = 2**16
_CONNECTIONS_KEPT = 64
_GZIP_OR_ZLIB = 47
_ACCESS_KEY = re.compile("[!-9;-~]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


class ZephrClient:
    """Fetches sessions with one key pair; keeps its connections open until `close()`.

    `base_url` is http or https and may have a path. `timeout` limits a whole call, `connect_timeout`
    the part of it until a connection stands, TLS included; both in seconds. `session` lends its TLS
    settings, `verify` and `cert`, and nothing else. `clock` gives seconds since the epoch, `nonce` a
    text that it never gives again. Raises ValueError for a URL or key pair that cannot work.
    """

    def __init__(
        self,
        base_url: str,
        access_key: str,
        secret_key: str,
        *,
        timeout: float = 8.0,
        connect_timeout: float = 2.0,
        session: requests.Session | None = None,
        clock: Callable[[], float] = time.time,
        nonce: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        if not _ACCESS_KEY.fullmatch(access_key) or not secret_key or _SURROGATE.search(secret_key):
            raise ValueError("The key pair must be text, the access key ASCII without a colon.")
        self._base_url = _checked(base_url)
        self._access_key = access_key
        self._secret_key = secret_key
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._clock = clock
        self._nonce = nonce
        tls = session or requests.Session()
        self._verify = True if tls.verify is None else tls.verify
        self._cert = tls.cert
        self._adapter = _Adapter(pool_maxsize=_CONNECTIONS_KEPT)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._base_url}>"

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._adapter.close()

    def get_session(self, session_id: str) -> ZephrSession:
        """Return the session.

        Raises InvalidValue, before anything is sent, for an id that `clean_session_id` refuses;
        ZephrSessionNotFound (404), ZephrCredentialsRejected (401, 403), ZephrThrottled (429),
        ZephrUnavailable (5xx, no connection, or one that breaks off), ZephrTimeout, and
        ZephrBadResponse for everything else that is no session.
        """
        with transport.limited(self._timeout, self._connect_timeout) as exchange:
            request = self._signed(clean_session_id(session_id))
            try:
                return self._send(request, exchange)
            except transport.FAILURES as error:
                failure = transport.explain(error, exchange)
            raise failure

    def _signed(self, session_id: str) -> requests.PreparedRequest:
        url = f"{self._base_url}/v3/sessions/{quote(session_id, safe='')}"
        request = requests.Request("GET", url, headers=_HEADERS).prepare()
        path, _, query = request.path_url.partition("?")
        request.headers["Authorization"] = authorization(
            self._access_key,
            self._secret_key,
            body=b"",
            path=path,
            query=query,
            method="GET",
            timestamp=int(self._clock() * 1000),
            nonce=self._nonce(),
        )
        return request

    def _send(self, request: requests.PreparedRequest, exchange: transport.Exchange) -> ZephrSession:
        # Past `Session.send`, which keeps cookies, takes `Authorization` out of a .netrc and, though
        # told not to follow a redirect, reads its body to the end and decompresses it.
        response = self._adapter.send(
            request,
            stream=True,
            timeout=exchange.time_left(),
            verify=self._verify,
            cert=self._cert,
        )
        try:
            if response.status_code != 200:
                raise self._refusal(response)
            encoding = response.headers.get("Content-Encoding", "")
            return ZephrSession.parse(_parse(_decode(_read(response), encoding)))
        finally:
            response.close()

    def _refusal(self, response: requests.Response) -> ZephrError:
        status = response.status_code
        if status == 404:
            # An ordinary answer: once it is read, its connection serves the next call.
            with contextlib.suppress(ZephrError, *transport.FAILURES):
                _read(response)
            return ZephrSessionNotFound("Zephr does not know this session.")
        if status in (401, 403):
            return ZephrCredentialsRejected(f"Zephr refuses the key pair ({status}).")
        if status == 429:
            wish = _retry_after(response.headers.get("Retry-After", ""), self._clock())
            return ZephrThrottled("Zephr throttles us (429).", wish)
        if 500 <= status <= 599:
            return ZephrUnavailable(f"Zephr answered with the status {status}.")
        return ZephrBadResponse(f"Zephr answered with the unexpected status {status}.")


class _Adapter(HTTPAdapter):
    # Its default is to retry nothing. It must stay so: a retry below the signature would use the
    # nonce again, which Zephr refuses.
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = transport.POOL_CLASSES


def _checked(base_url: str) -> str:
    parts = urlsplit(base_url)
    valid = parts.scheme in ("http", "https") and parts.hostname
    if not valid or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("The base URL must be http or https, without login, query and fragment.")
    # Raises InvalidURL, a ValueError, for a host that can be none.
    requests.Request("GET", base_url).prepare()
    # Where a path begins with several slashes, some versions of requests send one: another path than
    # the one that is signed.
    return f"{parts.scheme}://{parts.netloc}/{parts.path.strip('/')}".rstrip("/")


def _read(response: requests.Response) -> bytes:
    body = bytearray()
    for chunk in response.raw.stream(_CHUNK_BYTES, decode_content=False):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ZephrBadResponse("Zephr answered with too long a body.")
    return bytes(body)


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
    except zlib.error as error:
        raise ZephrBadResponse("Zephr answered with a body that cannot be decompressed.") from error
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


def _parse(body: bytes) -> Mapping[str, Any]:
    try:
        value = _decoder.decode(body.decode())
    except (ValueError, RecursionError):
        # Not raised from here: these exceptions carry the body along.
        value = None
    if not isinstance(value, dict) or _is_deep(value):
        raise ZephrBadResponse("Zephr answered with something that is no JSON object.")
    return value


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict | list):
                below.extend(item.values() if isinstance(item, dict) else item)
        level = below
    return bool(level)


def _retry_after(value: str, now: float) -> int | None:
    # RFC 9110, 10.2.3: whole seconds, or a date.
    try:
        if value.isascii() and value.isdigit():
            seconds = float(value)
        else:
            date = email.utils.parsedate_to_datetime(value)
            seconds = date.replace(tzinfo=date.tzinfo or datetime.UTC).timestamp() - now
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return math.ceil(min(max(seconds, 1), MAX_RETRY_AFTER))
