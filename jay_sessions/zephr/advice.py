"""Failures of Zephr explained to people: a title and a remedy.

The admin's look-up, `jay_ping_zephr` and the health check use it. For the API's error answers see
`api/errors.py`.
"""

import socket
import ssl
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from django.utils.translation import gettext_noop as _

from ..exceptions import (
    ZephrBadResponse,
    ZephrBusy,
    ZephrCircuitOpen,
    ZephrClockSkew,
    ZephrCredentialsRejected,
    ZephrError,
    ZephrSessionNotFound,
    ZephrThrottled,
    ZephrTimeout,
    ZephrUnavailable,
)
from . import failures
from .egress import BundleFailure, ProxyFailure

T = TypeVar("T")


class Advice(NamedTuple):
    """Sentences in English, marked for translation."""

    title: str
    remedy: str


# The first row that matches counts, so subclasses stand before their bases.
ADVICE: dict[type[ZephrError], Advice] = {
    ZephrSessionNotFound: Advice(
        _("Zephr knows no session with this id."),
        _("Use the id that is now in the site's Zephr session cookie."),
    ),
    ZephrClockSkew: Advice(
        _("Zephr refuses the signature because this machine's clock differs too much from Zephr's."),
        _("Correct this machine's clock, best with NTP. The key pair may be right."),
    ),
    ZephrCredentialsRejected: Advice(
        _("Zephr refuses the key pair."),
        _(
            "Check ACCESS_KEY and SECRET_KEY. They must be complete, belong together and to this "
            "tenant, and not be revoked. Also check this machine's clock."
        ),
    ),
    ZephrThrottled: Advice(
        _("Zephr receives too many requests."),
        _("The settings are not to blame. Wait, then try again."),
    ),
    ZephrTimeout: Advice(
        _("Zephr did not answer in time."),
        _(
            "Check that no firewall or proxy blocks the connection, and that TENANT or BASE_URL is "
            "right. If Zephr is only slow, raise TIMEOUT or CONNECT_TIMEOUT."
        ),
    ),
    ZephrCircuitOpen: Advice(
        _("Zephr failed many times in a row, so it is not called for a short time."),
        _("Try again soon."),
    ),
    ZephrBusy: Advice(
        _("Too many requests are already waiting for Zephr."),
        _("Try again in a moment."),
    ),
    ZephrUnavailable: Advice(
        _("Zephr cannot be reached or fails."),
        _("Wait and try again later; if it lasts, check TENANT or BASE_URL."),
    ),
    ZephrBadResponse: Advice(
        _("Zephr's answer is unusable."),
        _("That is not Zephr's Admin API: check TENANT or BASE_URL."),
    ),
}

_REMEDIES: dict[type[OSError], str] = {
    ProxyFailure: _(
        "Check the host, port and login in PROXY, or HTTPS_PROXY and NO_PROXY in the environment. Check "
        "that the proxy lets this machine connect to TENANT or BASE_URL."
    ),
    BundleFailure: _("Correct CA_BUNDLE or the environment variable. It must name a PEM file."),
    socket.gaierror: _("Check TENANT or BASE_URL for a typing error, and this machine's name servers (DNS)."),
    ssl.SSLCertVerificationError: _(
        "Its certificate is not trusted. Check the host in TENANT or BASE_URL, and this machine's date. "
        "If a proxy inspects TLS, or a private authority issued the certificate, set CA_BUNDLE to the "
        "authority's certificate."
    ),
    ssl.SSLError: _("The TLS connection failed. Check the port in BASE_URL, and that it serves https."),
    ConnectionRefusedError: _("Nothing listens there. Check host and port in BASE_URL, and the firewall."),
    ConnectionError: _(
        "The connection was cut. Check for a firewall or proxy in between, and BASE_URL; or try again later."
    ),
    OSError: _("Check this machine's network, its firewall, and TENANT or BASE_URL."),
}


def advice_on(error: ZephrError) -> Advice:
    """Return the row for a failure. If the system says why a connection failed, the remedy fits that."""
    row, cause = _first(ADVICE, error), _cause(error)
    return row if cause is None else row._replace(remedy=_first(_REMEDIES, cause))


def in_words(error: ZephrError) -> str:
    """Return a line of English: the error's message, more exact than the title, and the remedy."""
    said = str(error) if _cause(error) is None else f"{failures.reason(error)}."
    line = f"{said} {advice_on(error).remedy}"
    if isinstance(error, ZephrThrottled) and error.retry_after is not None:
        return f"{line} Zephr asks to wait {error.retry_after:,} s."
    return line


def _cause(error: ZephrError) -> OSError | None:
    cause = error.__cause__
    return cause if isinstance(cause, OSError) and isinstance(error, ZephrUnavailable) else None


def _first(table: Mapping[type, T], error: BaseException) -> T:
    return next(row for kind, row in table.items() if isinstance(error, kind))
