"""Checks that Zephr's Admin API is at its URL, accepts the key pair and has the same time.

The cache and the circuit breaker are not used: the result is Zephr's state now.
"""

import contextlib
import dataclasses
import uuid
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from .. import conf
from ..exceptions import (
    ZephrBadResponse,
    ZephrClockSkew,
    ZephrCredentialsRejected,
    ZephrError,
    ZephrSessionNotFound,
)
from . import egress
from .answers import MAX_CLOCK_SKEW
from .client import Attempt, ZephrClient
from .session import ZephrSession


@dataclasses.dataclass(frozen=True, slots=True)
class _Outcome:
    result: ZephrSession | ZephrError
    attempt: Attempt


def ping(zephr: conf.ZephrSettings) -> Iterator[str]:
    """Ask Zephr for a session that cannot exist; yield a line for each thing that is right, once it is known.

    It makes two calls of one try each: one with the key pair, one with an invented pair, because any web
    server may answer 404. Raises ZephrError for the first thing that is wrong.
    """
    outcome = _ask(zephr, zephr.access_key, zephr.secret_key, str(uuid.uuid4()))
    _refuse_anything_but(outcome, ZephrSessionNotFound, ZephrCredentialsRejected)
    yield f"Reachable: {zephr.base_url} answered in {outcome.attempt.seconds * 1000:,.0f} ms"
    if not isinstance(outcome.result, ZephrClockSkew):
        yield _clock(outcome.attempt.skew)
    _refuse_anything_but(outcome, ZephrSessionNotFound)
    made_up = _ask(zephr, uuid.uuid4().hex, uuid.uuid4().hex, str(uuid.uuid4()))
    if isinstance(made_up.result, ZephrSessionNotFound):
        raise ZephrBadResponse("Zephr's answer to an invented key pair is the same as to ours.")
    _refuse_anything_but(made_up, ZephrCredentialsRejected)
    yield "Key pair: accepted"


def way(zephr: conf.ZephrSettings) -> Iterator[str]:
    """Yield a line for the proxy and one for the trusted certificates, each only if it is configured."""
    route = egress.route(zephr.base_url, zephr.proxy, zephr.ca_bundle)
    if route.proxy:
        login = "with" if route.proxy.authorization else "without"
        yield f"Proxy: {route.proxy.url}, {login} a login, by {_named(route.proxy_from, 'PROXY')}"
    if route.ca_bundle:
        by = _named(route.ca_bundle_from, "CA_BUNDLE")
        yield f"Trusted: {route.ca_bundle}, by {by}"


def _named(variable: str, setting: str) -> str:
    return f"{variable} of the environment" if variable else f"the setting {setting}"


def fetch(zephr: conf.ZephrSettings, session_id: str) -> str:
    """Return a line that says that Zephr has this session, with only its user's state and number of devices.

    Raises InvalidValue for an invalid id, and ZephrError.
    """
    session = _ask(zephr, zephr.access_key, zephr.secret_key, session_id).result
    if isinstance(session, ZephrError):
        raise session
    state = session.access_model and session.access_model.user_state
    devices = len(session.sessions)
    # `ascii`, because the line goes to a terminal, and some characters control a terminal.
    known = ascii(state) if state else "unknown"
    return f"Session: found; user state {known}, {devices:,} device{'' if devices == 1 else 's'}"


def warning(zephr: conf.ZephrSettings) -> str | None:
    """Return a warning about a setting that works but is dangerous, else None."""
    parts = urlsplit(zephr.base_url)
    if parts.scheme == "https" or _is_this_machine(parts.hostname or ""):
        return None
    return "Warning: BASE_URL is http, so sessions and signatures can be read on the way. Write https."


def _ask(zephr: conf.ZephrSettings, access_key: str, secret_key: str, session_id: str) -> _Outcome:
    attempts: list[Attempt] = []
    client = ZephrClient(
        zephr.base_url,
        access_key,
        secret_key,
        timeout=zephr.timeout,
        connect_timeout=zephr.connect_timeout,
        max_attempts=1,
        proxy=zephr.proxy,
        ca_bundle=zephr.ca_bundle,
        observe=attempts.append,
    )
    with contextlib.closing(client):
        try:
            result: ZephrSession | ZephrError = client.get_session(session_id)
        except ZephrError as error:
            # Without its frames: they hold the key pair.
            result = error.with_traceback(None)
    return _Outcome(result, attempts[0])


def _refuse_anything_but(outcome: _Outcome, *expected: type[ZephrError]) -> None:
    if isinstance(outcome.result, ZephrSession):
        raise ZephrBadResponse("A session that cannot exist was found.")
    if not isinstance(outcome.result, expected):
        raise outcome.result


def _clock(skew: float | None) -> str:
    if skew is None:
        return "Clock: not compared, because the answer has no date; check it yourself"
    # A `Date` header has whole seconds; on average half a second has passed since.
    ahead = skew - 0.5
    if abs(ahead) <= 1:
        return "Clock: right, to the second"
    line = f"Clock: {abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} Zephr's"
    return line if abs(ahead) <= MAX_CLOCK_SKEW else f"{line}; set it (NTP) before Zephr refuses it"


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
