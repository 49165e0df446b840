"""A client of Zephr's Admin API. It knows nothing of Django, and threads may share it.

Source of the answer's format: Zephr's reference page for `GET /v3/sessions/{id}`.
"""

import contextlib
import errno
import http.cookiejar
import logging
import random as random_numbers
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter

from .. import __version__
from ..core.identifiers import SURROGATE, ZEPHR_ACCESS_KEY, clean_zephr_session_id
from ..core.proxy_url import Proxy
from ..exceptions import ZephrError
from . import answers, egress, failures, transport
from .retries import Attempt, Failure, wait_after
from .session import ZephrSession
from .signature import authorization

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

    `base_url` is http or https and may have a path. `timeout` limits a whole call, with all its tries and
    the waits between them; `connect_timeout` limits how long a try takes to connect, TLS included. Both are
    in seconds. A call makes up to `max_attempts` tries and signs each anew. After each try, also the last,
    `observe` is called in the same thread; if it raises, the exception's name is logged and the call goes on.
    `proxy` is the URL of an http or https proxy and may hold a login. `ca_bundle` is the path of a file (PEM)
    or directory with the certificate authorities to trust. Without these two the environment decides, as
    with `requests`: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`; `REQUESTS_CA_BUNDLE`,
    `CURL_CA_BUNDLE`, `SSL_CERT_FILE` and `SSL_CERT_DIR`. The client reads no .netrc, keeps no cookies and
    follows no redirects. From `session` it takes only the TLS settings: `verify` (if there is no
    `ca_bundle`) and `cert`. `clock` returns seconds since the epoch, `nonce` a text that is new each time,
    `random` a number from 0 to 1; `sleep` waits for a number of seconds. Raises ValueError for a URL, key
    pair or proxy that cannot work, and if `max_attempts` is below 1.
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
        proxy: str | None = None,
        ca_bundle: str | None = None,
        observe: Callable[[Attempt], None] | None = None,
        session: requests.Session | None = None,
        clock: Callable[[], float] = time.time,
        nonce: Callable[[], str] = lambda: str(uuid.uuid4()),
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], float] = random_numbers.random,
    ) -> None:
        if not ZEPHR_ACCESS_KEY.fullmatch(access_key) or not secret_key or SURROGATE.search(secret_key):
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
        self._route = egress.route(self._base_url, proxy, ca_bundle)
        self._session = _Session(
            self._route, ca_bundle or (session and session.verify), session and session.cert
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._base_url}>"

    def close(self) -> None:
        """Close all open connections."""
        self._session.close()

    def get_session(self, session_id: str) -> ZephrSession:
        """Return the session.

        Raises InvalidValue, before anything is sent, for an id that `clean_zephr_session_id` refuses.
        Otherwise the last try decides: ZephrSessionNotFound (404), ZephrCredentialsRejected (401, 403;
        ZephrClockSkew if a wrong clock is the cause), ZephrThrottled (429), ZephrUnavailable (5xx, no
        connection, or a broken one), ZephrTimeout, and ZephrBadResponse for any other answer without a
        session. While there is time, the client tries again after failures that may pass: a connection that
        is refused or breaks off, a name server that does not answer, 500, 502, 503, 504, and a 429 that says
        how long to wait.
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
        # Other open connections may be dead too, and behind a load balancer a new connection may reach
        # a healthier machine.
        fresh = number > 1
        with transport.limited(deadline - start, self._connect_timeout, fresh=fresh) as exchange:
            result = self._exchange(url, exchange)
        seconds = time.monotonic() - start
        outcome, reason = "OK", ""
        if isinstance(result, Failure):
            outcome, reason = result.error.code, failures.reason(result.error)
        self._report(Attempt(number, outcome, seconds, exchange.status, exchange.skew, reason))
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
            # Without its frames: they hold the signature and the answer.
            return Failure(error.with_traceback(None))
        except failures.FAILURES as error:
            # A time-out exception of `requests` always means a time-out. Test tools of a site may raise it
            # without a cause.
            failure = failures.explain(error, exchange, timed_out=isinstance(error, requests.Timeout))
        cause = failure.error.__cause__
        failure.error.__cause__ = self._route.bundle_failure(cause) or cause
        return failure

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
        if self._route.problem:
            exchange.at_proxy = True
            raise egress.ProxyFailure(errno.EINVAL, self._route.problem)
        # `requests-mock` replaces `Session.send`; `responses` replaces the adapter below it.
        response = self._session.send(
            request, stream=True, timeout=exchange.time_left(), allow_redirects=False
        )
        received_at = self._clock()
        status, headers = response.status_code, response.headers
        exchange.status = status
        try:
            exchange.skew = answers.skew(headers, sent_at, received_at)
            if status == 200:
                body = answers.read(_chunks(response))
                return ZephrSession.parse(answers.parse(body, headers.get("Content-Encoding", "")))
            if status == 404:
                # A 404 is an ordinary answer: once it is read, the next call can use its connection.
                with contextlib.suppress(ZephrError, *failures.FAILURES):
                    answers.read(_chunks(response))
            if status == 407 and self._route.proxy:
                # The proxy says this when it forwards http; Zephr itself has no reason to.
                exchange.at_proxy, exchange.status = True, None
                raise egress.ProxyFailure.answered(status)
            return answers.refusal(status, headers, sent_at, received_at)
        finally:
            response.close()


class _Session(requests.Session):
    """Sends signed requests over one route, and does nothing else that a session does."""

    def __init__(self, route: egress.Route, verify: Any, cert: Any) -> None:
        super().__init__()
        # The environment may name a .netrc too; its login would replace the signature.
        self.trust_env = False
        self.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        self.verify = (route.ca_bundle or DEFAULT_CA_BUNDLE_PATH) if verify in (True, None) else verify
        self.cert = cert
        if route.proxy:
            self.proxies = dict.fromkeys(("http", "https"), route.proxy.url)
        for scheme in transport.POOL_CLASSES:
            self.mount(f"{scheme}://", _Adapter(route.proxy, self.verify))

    def resolve_redirects(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        # Even with `allow_redirects=False`, `send` would read a redirect's body to the end and decompress it.
        return iter(())


class _Adapter(HTTPAdapter):
    # By default it does not retry. Keep it so: a retry below the signature would send the same nonce
    # again, and Zephr refuses that.
    def __init__(self, proxy: Proxy | None, verify: str | bool) -> None:
        self._proxy = proxy
        self._verify = verify
        super().__init__(pool_maxsize=_CONNECTIONS_KEPT)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = transport.POOL_CLASSES

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        if proxy not in self.proxy_manager:
            if proxy.startswith("https:"):
                kwargs["proxy_ssl_context"] = transport.proxy_context(self._verify)
            manager = super().proxy_manager_for(proxy, **kwargs)
            manager.pool_classes_by_scheme = transport.POOL_CLASSES
        return self.proxy_manager[proxy]

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        # The proxy's URL holds no login here, because urllib3 writes the URL into its exceptions.
        login = self._proxy and self._proxy.authorization
        return {"Proxy-Authorization": login} if login else {}

    def close(self) -> None:
        # urllib3 leaves its connections to the garbage collector. After a failure, the frames of the
        # exceptions keep them alive.
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 (it has no other way to iterate)
                manager.pools[key].close()
        super().close()


def _checked(base_url: str) -> str:
    parts = urlsplit(base_url)
    valid = parts.scheme in ("http", "https") and parts.hostname
    if not valid or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("The base URL must be http or https, without login, query and fragment.")
    # Raises InvalidURL, a ValueError, for an impossible host.
    requests.Request("GET", base_url).prepare()
    # If a path begins with several slashes, some versions of requests send only one. The signed path
    # would then be another.
    return f"{parts.scheme}://{parts.netloc}/{parts.path.strip('/')}".rstrip("/")


def _chunks(response: requests.Response) -> Iterator[bytes]:
    chunks: Iterator[bytes] = response.raw.stream(_CHUNK_BYTES, decode_content=False)
    return chunks
