"""Zephr as this process calls it: the client of the settings, behind a breaker, with log and signals."""

import contextlib
import logging
import math

from .. import conf
from ..exceptions import (
    ZephrCircuitOpen,
    ZephrClockSkew,
    ZephrError,
    ZephrSessionNotFound,
    ZephrTimeout,
    ZephrUnavailable,
)
from ..signals import zephr_attempted
from .breaker import Breaker, Call, CircuitOpen, State
from .client import Attempt, ZephrClient
from .session import ZephrSession

MARGIN = 0.05
"""Seconds of a call's time that may be lost before it, without being taken off it."""

logger = logging.getLogger("jay_sessions.zephr")

_EXPECTED = ("OK", ZephrSessionNotFound.code)


class Upstream:
    """Calls Zephr as `zephr` says; threads may share it, but not processes."""

    def __init__(self, zephr: conf.ZephrSettings) -> None:
        self._zephr = zephr
        self._client = self._connect(zephr.timeout)
        self._breaker = Breaker(zephr.circuit_failures, zephr.circuit_timeout, changed=_circuit_changed)

    def get_session(self, session_id: str, seconds: float) -> ZephrSession:
        """Return the session, within so many seconds.

        Raises ZephrCircuitOpen, without a call, and what `ZephrClient.get_session` raises.
        """
        try:
            with self._breaker.call() as call:
                return self._call(session_id, seconds, call)
        except CircuitOpen as refused:
            wait = max(math.ceil(refused.seconds), 1)
        # Not raised from it: to whoever asked, this is where it begins.
        raise ZephrCircuitOpen("Zephr failed too often and is left alone for now.", wait)

    def _call(self, session_id: str, seconds: float, call: Call) -> ZephrSession:
        whole = seconds > self._zephr.timeout - MARGIN
        try:
            session = self._client.get_session(session_id) if whole else self._hurry(session_id, seconds)
        except (ZephrUnavailable, ZephrTimeout) as error:
            # That a call without its whole time was too slow says nothing of Zephr.
            if whole or isinstance(error, ZephrUnavailable):
                call.failed()
            raise
        except ZephrError as error:
            call.succeeded()
            if isinstance(error, ZephrClockSkew):
                logger.error("%s", error)  # noqa: TRY400 (its words are enough for the operator)
            raise
        call.succeeded()
        return session

    def _hurry(self, session_id: str, seconds: float) -> ZephrSession:
        if seconds < MARGIN:
            raise ZephrTimeout("No time is left to ask Zephr.")
        # A client has one time for all its calls, so this one is for this call alone.
        with contextlib.closing(self._connect(seconds)) as client:
            return client.get_session(session_id)

    def _connect(self, timeout: float) -> ZephrClient:
        return ZephrClient(
            self._zephr.base_url,
            self._zephr.access_key,
            self._zephr.secret_key,
            timeout=timeout,
            connect_timeout=self._zephr.connect_timeout,
            max_attempts=self._zephr.max_attempts,
            observe=_attempted,
        )


def _attempted(attempt: Attempt) -> None:
    level = logging.INFO if attempt.outcome in _EXPECTED else logging.WARNING
    status = "no status" if attempt.status is None else f"status {attempt.status}"
    line = "Zephr call, attempt %d: %s, %s, after %d ms"
    logger.log(level, line, attempt.number, attempt.outcome, status, attempt.seconds * 1000)
    zephr_attempted.send_robust(
        ZephrClient,
        number=attempt.number,
        outcome=attempt.outcome,
        seconds=attempt.seconds,
        status=attempt.status,
    )


def _circuit_changed(state: State) -> None:
    level = logging.WARNING if state is State.OPEN else logging.INFO
    logger.log(level, "The circuit to Zephr is %s", state.value)
