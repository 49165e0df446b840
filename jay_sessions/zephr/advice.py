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
        _("Ask for the id that the site's Zephr session cookie holds now."),
    ),
    ZephrClockSkew: Advice(
        _("Zephr refuses the signature, as this machine's clock is far from its own."),
        _("Set the clock of this machine, best by NTP; the key pair may well be right."),
    ),
    ZephrCredentialsRejected: Advice(
        _("Zephr refuses the key pair."),
        _(
            "Check ACCESS_KEY and SECRET_KEY: they must belong together and to this tenant, be complete, and "
            "not be revoked. Check this machine's clock, too."
        ),
    ),
    ZephrThrottled: Advice(
        _("Zephr receives too many requests."),
        _("The settings are not to blame. Wait, then try again."),
    ),
    ZephrTimeout: Advice(
        _("Zephr did not answer in time."),
        _(
            "Check that no firewall or proxy swallows the connection, and that TENANT or BASE_URL is right; "
            "if Zephr is just slow, raise TIMEOUT or CONNECT_TIMEOUT."
        ),
    ),
    ZephrCircuitOpen: Advice(
        _("Zephr failed many times in a row, so for a moment it is not asked."),
        _("Try again soon."),
    ),
    ZephrBusy: Advice(
        _("Too many requests wait for Zephr already."),
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
        "Check PROXY, or HTTPS_PROXY and NO_PROXY of the environment: host, port and login; and whether the "
        "proxy lets this machine through to TENANT or BASE_URL."
    ),
    BundleFailure: _("Correct CA_BUNDLE, or that variable of the environment: a file in PEM form."),
    socket.gaierror: _("Check TENANT or BASE_URL for a typing error, and this machine's name servers (DNS)."),
    ssl.SSLCertVerificationError: _(
        "Its certificate is not trusted. Check the host in TENANT or BASE_URL, and this machine's date. "
        "Behind a proxy that looks into TLS, or with a private certificate authority, name that in CA_BUNDLE."
    ),
    ssl.SSLError: _(
        "No TLS could be set up. Check the port in BASE_URL, and whether https is spoken there at all."
    ),
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
        return f"{line} Zephr asks for {error.retry_after:,} s."
    return line


def _cause(error: ZephrError) -> OSError | None:
    cause = error.__cause__
    return cause if isinstance(cause, OSError) and isinstance(error, ZephrUnavailable) else None


def _first(table: Mapping[type, T], error: BaseException) -> T:
    return next(row for kind, row in table.items() if isinstance(error, kind))
