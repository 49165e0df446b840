"""Whether Zephr's Admin API is where the settings say, takes the key pair and shares our time.

Neither the cache nor the circuit breaker takes part: what is told is what Zephr says now.
"""

import contextlib
import dataclasses
import socket
import ssl
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
    ZephrThrottled,
    ZephrTimeout,
    ZephrUnavailable,
)
from .answers import MAX_CLOCK_SKEW
from .client import Attempt, ZephrClient
from .session import ZephrSession

# The first row that fits counts, so a class stands before those it comes from.
_ADVICE: dict[type[ZephrError], str] = {
    ZephrSessionNotFound: "Ask for the id that the site's Zephr session cookie holds now.",
    ZephrClockSkew: "Set the clock of this machine, best by NTP; the key pair may well be right.",
    ZephrCredentialsRejected: (
        "Check ACCESS_KEY and SECRET_KEY: they must belong together and to this tenant, be complete, and "
        "not be revoked."
    ),
    ZephrThrottled: "The settings are not to blame. Wait, then try again.",
    ZephrTimeout: (
        "Check that no firewall or proxy swallows the connection, and that TENANT or BASE_URL is right; if "
        "Zephr is just slow, raise TIMEOUT or CONNECT_TIMEOUT."
    ),
    ZephrUnavailable: (
        "Zephr, or something in front of it, fails: try again later. If it lasts, check TENANT or BASE_URL."
    ),
    ZephrBadResponse: "That is not Zephr's Admin API: check TENANT or BASE_URL.",
}

_CAUSES: dict[type[OSError], str] = {
    socket.gaierror: "Check TENANT or BASE_URL for a typing error, and this machine's name servers (DNS).",
    ssl.SSLCertVerificationError: (
        "Its certificate is not trusted. Check the host in TENANT or BASE_URL, this machine's date, and, "
        "behind a proxy that looks into TLS, that its certificate is installed."
    ),
    ssl.SSLError: (
        "No TLS could be set up. Check the port in BASE_URL, and whether https is spoken there at all."
    ),
    ConnectionRefusedError: "Nothing listens there. Check host and port in BASE_URL, and the firewall.",
    ConnectionError: (
        "The connection was cut. Check for a firewall or proxy in between, and BASE_URL; or try again later."
    ),
    OSError: "Check this machine's network, its firewall, and TENANT or BASE_URL.",
}


@dataclasses.dataclass(frozen=True, slots=True)
class _Answer:
    result: ZephrSession | ZephrError
    attempt: Attempt


def ping(zephr: conf.ZephrSettings) -> Iterator[str]:
    """Ask Zephr for a session that cannot exist; give a line for each thing that is right, once it is known.

    Two calls of one try each: signed with the key pair, and with one that is made up, as any web
    server answers 404. Raises ZephrError for the first thing that is wrong.
    """
    answer = _ask(zephr, zephr.access_key, zephr.secret_key, str(uuid.uuid4()))
    _refuse_anything_but(answer, ZephrSessionNotFound, ZephrCredentialsRejected)
    yield f"Reachable: {zephr.base_url} answered in {answer.attempt.seconds * 1000:,.0f} ms"
    if not isinstance(answer.result, ZephrClockSkew):
        yield _clock(answer.attempt.skew)
    _refuse_anything_but(answer, ZephrSessionNotFound)
    made_up = _ask(zephr, uuid.uuid4().hex, uuid.uuid4().hex, str(uuid.uuid4()))
    if isinstance(made_up.result, ZephrSessionNotFound):
        raise ZephrBadResponse("A key pair that was made up is answered just like ours.")
    _refuse_anything_but(made_up, ZephrCredentialsRejected)
    yield "Key pair: accepted"


def fetch(zephr: conf.ZephrSettings, session_id: str) -> str:
    """Say in a line that Zephr has this session; no more of it than its user's state and its devices.

    Raises InvalidValue for an id that can be none, and ZephrError.
    """
    found = _ask(zephr, zephr.access_key, zephr.secret_key, session_id).result
    if isinstance(found, ZephrError):
        raise found
    state = found.access_model and found.access_model.user_state
    devices = len(found.sessions)
    # `ascii`, as these words go to a terminal, which obeys some characters.
    known = ascii(state) if state else "unknown"
    return f"Session: found; user state {known}, {devices:,} device{'' if devices == 1 else 's'}"


def advice(error: ZephrError) -> str:
    """Say what is wrong and what to do about it."""
    cause = error.__cause__
    if isinstance(cause, OSError) and isinstance(error, ZephrUnavailable):
        words = getattr(cause, "verify_message", "") or cause.strerror or type(cause).__name__
        return f"{str(error).rstrip('.')}: {words}. {_first(_CAUSES, cause)}"
    if isinstance(error, ZephrThrottled) and error.retry_after is not None:
        return f"{error} {_first(_ADVICE, error)} Zephr asks for {error.retry_after:,} s."
    return f"{error} {_first(_ADVICE, error)}"


def warning(zephr: conf.ZephrSettings) -> str | None:
    """Say what is dangerous though it works; None where nothing is."""
    parts = urlsplit(zephr.base_url)
    if parts.scheme == "https" or _is_this_machine(parts.hostname or ""):
        return None
    return "Warning: BASE_URL is http, so sessions and signatures can be read on the way. Write https."


def _ask(zephr: conf.ZephrSettings, access_key: str, secret_key: str, session_id: str) -> _Answer:
    attempts: list[Attempt] = []
    client = ZephrClient(
        zephr.base_url,
        access_key,
        secret_key,
        timeout=zephr.timeout,
        connect_timeout=zephr.connect_timeout,
        max_attempts=1,
        observe=attempts.append,
    )
    with contextlib.closing(client):
        try:
            result: ZephrSession | ZephrError = client.get_session(session_id)
        except ZephrError as error:
            # Without its frames, which hold the key pair.
            result = error.with_traceback(None)
    return _Answer(result, attempts[0])


def _refuse_anything_but(answer: _Answer, *expected: type[ZephrError]) -> None:
    if isinstance(answer.result, ZephrSession):
        raise ZephrBadResponse("A session that cannot exist was found.")
    if not isinstance(answer.result, expected):
        raise answer.result


def _clock(skew: float | None) -> str:
    if skew is None:
        return "Clock: not compared, as the answer has no date; check it yourself"
    # A date names the second that has begun: on average, half of it is over.
    ahead = skew - 0.5
    if abs(ahead) <= 1:
        return "Clock: right, to the second"
    line = f"Clock: {abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} Zephr's"
    return line if abs(ahead) <= MAX_CLOCK_SKEW else f"{line}; set it (NTP) before Zephr refuses it"


def _first(table: dict[type, str], error: BaseException) -> str:
    return next(words for kind, words in table.items() if isinstance(error, kind))


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
