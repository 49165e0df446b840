"""Translates a failed exchange for the caller: one of our exceptions, and whether to try again."""

import errno
import http.client
import socket
import ssl

import urllib3

from ..exceptions import ZephrBadResponse, ZephrError, ZephrTimeout, ZephrUnavailable
from .egress import ProxyFailure
from .retries import Failure
from .transport import Exchange

FAILURES = (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError, ValueError)
"""The exceptions of the layers below when an exchange fails (those of `requests` are OSErrors)."""


def explain(error: BaseException, exchange: Exchange, *, timed_out: bool = False) -> Failure:
    """Return what one of `FAILURES` means to a caller. Raise its error outside the `except` block.

    `timed_out`: the exception means a time-out, whatever its cause.
    Only an exception of the operating system or of TLS becomes the error's cause. Other exceptions, and the
    frames of a traceback, hold the request with its signature, or a piece of the answer.
    """
    root = _root(error)
    may_pass = False
    if timed_out or isinstance(root, TimeoutError):
        proxy = "The proxy did not connect us to Zephr within the time limit."
        zephr = "Zephr did not answer in full within the time limit."
        meaning: ZephrError = ZephrTimeout(proxy if exchange.at_proxy else zephr)
    elif exchange.at_proxy:
        meaning, may_pass = ZephrUnavailable("The proxy before Zephr fails, or refuses."), _may_pass(root)
        root = _proxy_failure(root)
    elif isinstance(root, OSError | urllib3.exceptions.SSLError):
        meaning, may_pass = ZephrUnavailable("Zephr cannot be reached, or broke off."), _may_pass(root)
    elif exchange.cut_off and not isinstance(root, http.client.BadStatusLine):
        meaning, may_pass = ZephrUnavailable("Zephr broke off in the middle of its answer."), True
    else:
        meaning = ZephrBadResponse("Zephr answered with broken HTTP, or with too much of it.")
    if isinstance(root, OSError):
        meaning.__cause__ = _without_request(root).with_traceback(None)
    # An open connection may end just when it is used again, which says nothing about Zephr.
    at_once = not exchange.connected_anew and not exchange.bytes_received
    return Failure(meaning, may_pass=may_pass, at_once=at_once)


def words(cause: OSError) -> str:
    """Return the text of a failure's cause: the operating system's, TLS's, or ours."""
    said = getattr(cause, "verify_message", "") or cause.strerror or str(cause)
    return str(said) or type(cause).__name__


def reason(error: ZephrError) -> str:
    """Return what went wrong in an exchange, as a sentence without secrets."""
    cause = error.__cause__
    return f"{str(error).rstrip('.')}: {words(cause)}" if isinstance(cause, OSError) else str(error)


def _proxy_failure(root: BaseException) -> ProxyFailure:
    if isinstance(root, ProxyFailure):
        return root
    said = words(root) if isinstance(root, OSError) else "it answered with broken HTTP"
    return ProxyFailure(errno.EPROTO, said)


def _without_request(error: OSError) -> OSError:
    # Exceptions of `requests` hold the request; only mocks in tests raise them without another cause.
    return error if not hasattr(error, "request") else OSError(str(error))


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, ProxyFailure):
        return error.may_pass
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_AGAIN
    if isinstance(error, ConnectionError | ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return True
    return isinstance(error, OSError) and error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH)


def _root(error: BaseException) -> BaseException:
    while inner := _inner(error):
        error = inner
    return error


def _inner(error: BaseException) -> BaseException | None:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is None and isinstance(error, urllib3.exceptions.SSLError):
        # In a tunnel, urllib3 puts the cause among the arguments and does not set `__cause__`.
        cause = next((inner for inner in error.args if isinstance(inner, BaseException)), None)
    return cause
