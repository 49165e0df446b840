"""A client of Zephr's Admin API; knows no Django, and may be shared by threads.

The format of the answer: Zephr's reference page for `GET /v3/sessions/{id}`.
"""

import contextlib
import logging
import random as random_numbers
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import HTTPAdapter

from .. import __version__
from ..exceptions import ZephrError
from ..identifiers import SURROGATE, clean_zephr_session_id
from . import answers, transport
from .retries import Attempt, Failure, wait_after
from .session import ZephrSession
from .signature import ACCESS_KEY, authorization

__all__ = ["Attempt", "ZephrClient"]

logger = logging.getLogger("jay_sessions.zephr")

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "User-Agent": f"django-jay-sessions/{__version__}",
}
_CHUNK_BYTES = 2**16
_CONNECTIONS_KEPT = 64


class ZephrClient:
    """Fetches sessions with one key pair; keeps its connections open until `close()`.

    `base_url` is http or https and may have a path. `timeout` limits a whole call, all its tries and
    the waits between them included, `connect_timeout` the part of a try until a connection stands,
    TLS included; both in seconds. A call makes up to `max_attempts` tries, each signed anew. After
    each one, also the last, `observe` is called in the same thread; what it raises is logged by name
    and goes no further. `session` lends its TLS settings, `verify` and `cert`, and nothing else.
    `clock` gives seconds since the epoch, `nonce` a text that it never gives again, `random` numbers
    from 0 to 1; `sleep` waits for some seconds. Raises ValueError for a URL or key pair that cannot
    work, and for fewer than one try.
    """

    def __init__(
        self,
        base_url: str,
        access_key: str,
        secret_key: str,
        *,
        timeout: float = 8.0,
        connect_timeout: float = 2.0,
        max_attempts: int = 3,
        observe: Callable[[Attempt], None] | None = None,
        session: requests.Session | None = None,
        clock: Callable[[], float] = time.time,
        nonce: Callable[[], str] = lambda: str(uuid.uuid4()),
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], float] = random_numbers.random,
    ) -> None:
        if not ACCESS_KEY.fullmatch(access_key) or not secret_key or SURROGATE.search(secret_key):
            raise ValueError("The key pair must be text, the access key ASCII without a colon.")
        if max_attempts < 1:
            raise ValueError("A call needs at least one try.")
        self._base_url = _checked(base_url)
        self._access_key = access_key
        self._secret_key = secret_key
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._max_attempts = max_attempts
        self._observe = observe
        self._clock = clock
        self._nonce = nonce
        self._sleep = sleep
        self._random = random
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

        Raises InvalidValue, before anything is sent, for an id that `clean_zephr_session_id` refuses;
        ZephrSessionNotFound (404), ZephrCredentialsRejected (401, 403; ZephrClockSkew where a clock
        is why), ZephrThrottled (429), ZephrUnavailable (5xx, no connection, or one that breaks off),
        ZephrTimeout, and ZephrBadResponse for everything else that is no session: what the last try
        came to. Tried again is what may pass while there is time: a connection that is refused or
        breaks off, a name server that is away, 500, 502, 503, 504, and a 429 that says for how long.
        """
        url = f"{self._base_url}/v3/sessions/{quote(clean_zephr_session_id(session_id), safe='')}"
        deadline = time.monotonic() + self._timeout
        number = 1
        while isinstance(result := self._attempt(url, number, deadline), Failure):
            wait = wait_after(result, number, deadline - time.monotonic(), self._random)
            if wait is None or number == self._max_attempts:
                raise result.error
            self._sleep(wait)
            number += 1
        return result

    def _attempt(self, url: str, number: int, deadline: float) -> ZephrSession | Failure:
        start = time.monotonic()
        # What else is kept open may be as dead as what failed, and behind a load balancer a new
        # connection may lead to a healthier machine.
        fresh = number > 1
        with transport.limited(deadline - start, self._connect_timeout, fresh=fresh) as exchange:
            result = self._exchange(url, exchange)
        outcome = result.error.code if isinstance(result, Failure) else "OK"
        seconds = time.monotonic() - start
        self._report(Attempt(number, outcome, seconds, exchange.status, exchange.skew))
        return result

    def _report(self, attempt: Attempt) -> None:
        try:
            if self._observe:
                self._observe(attempt)
        except Exception as error:  # noqa: BLE001 (whatever it is, the call has its own outcome)
            logger.warning("The observer of Zephr calls failed: %s", type(error).__name__)

    def _exchange(self, url: str, exchange: transport.Exchange) -> ZephrSession | Failure:
        sent_at = self._clock()
        request = self._signed(url, sent_at)
        try:
            return self._send(request, exchange, sent_at)
        except ZephrError as error:
            # Without its frames, which hold the signature and the answer.
            return Failure(error.with_traceback(None))
        except transport.FAILURES as error:
            return transport.explain(error, exchange)

    def _signed(self, url: str, now: float) -> requests.PreparedRequest:
        request = requests.Request("GET", url, headers=_HEADERS).prepare()
        path, _, query = request.path_url.partition("?")
        request.headers["Authorization"] = authorization(
            self._access_key,
            self._secret_key,
            body=b"",
            path=path,
            query=query,
            method="GET",
            timestamp=int(now * 1000),
            nonce=self._nonce(),
        )
        return request

    def _send(
        self, request: requests.PreparedRequest, exchange: transport.Exchange, sent_at: float
    ) -> ZephrSession | Failure:
        # Past `Session.send`, which keeps cookies, takes `Authorization` out of a .netrc and, though
        # told not to follow a redirect, reads its body to the end and decompresses it.
        response = self._adapter.send(
            request,
            stream=True,
            timeout=exchange.time_left(),
            verify=self._verify,
            cert=self._cert,
        )
        received_at = self._clock()
        status, headers = response.status_code, response.headers
        try:
            exchange.skew = answers.skew(headers, sent_at, received_at)
            if status == 200:
                body = answers.read(_chunks(response))
                return ZephrSession.parse(answers.parse(body, headers.get("Content-Encoding", "")))
            if status == 404:
                # An ordinary answer: once it is read, its connection serves the next call.
                with contextlib.suppress(ZephrError, *transport.FAILURES):
                    answers.read(_chunks(response))
            return answers.refusal(status, headers, sent_at, received_at)
        finally:
            response.close()


class _Adapter(HTTPAdapter):
    # Its default is to retry nothing. It must stay so: a retry below the signature would use the
    # nonce again, which Zephr refuses.
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = transport.POOL_CLASSES

    def close(self) -> None:
        # urllib3 leaves its connections to the garbage collector, and after a failure the frames of
        # the exceptions keep them from it.
        pools = self.poolmanager.pools
        for key in pools.keys():  # noqa: SIM118 (it has no other way to iterate)
            pools[key].close()
        super().close()


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


def _chunks(response: requests.Response) -> Iterator[bytes]:
    chunks: Iterator[bytes] = response.raw.stream(_CHUNK_BYTES, decode_content=False)
    return chunks
