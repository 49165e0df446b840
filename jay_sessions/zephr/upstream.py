"""The calls of this process to Zephr: a client with the site's settings, a breaker, logs and signals.

Before the breaker opens, it asks Zephr for a session that nobody has. So many calls for one session that
makes Zephr fail do not block the calls for all others.
"""

import contextlib
import logging
import math
import threading
import uuid

from django.db import connections

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
"""A call that starts at most this many seconds late still gets its full timeout."""

OPINION_SECONDS = 2.0
"""Zephr must answer the second opinion's question within this many seconds."""

logger = logging.getLogger("jay_sessions.zephr")

_EXPECTED = ("OK", ZephrSessionNotFound.code)


class Upstream:
    """Calls Zephr with the settings `zephr`; threads may share it, processes may not."""

    def __init__(self, zephr: conf.ZephrSettings) -> None:
        self._zephr = zephr
        self._client = self._connect(zephr.timeout)
        self._breaker = Breaker(
            zephr.circuit_failures, zephr.circuit_timeout, changed=_circuit_changed, doubt=self._doubt
        )

    def get_session(self, session_id: str, seconds: float) -> ZephrSession:
        """Return the session within `seconds`.

        Raises ZephrCircuitOpen, without a call, and what `ZephrClient.get_session` raises.
        """
        try:
            with self._breaker.call() as call:
                return self._call(session_id, seconds, call)
        except CircuitOpen as refused:
            wait = max(math.ceil(refused.seconds), 1)
        # Not raised from the breaker's exception: that is of no use to the caller.
        raise ZephrCircuitOpen("Zephr failed too often, so it is not called for now.", wait)

    def _call(self, session_id: str, seconds: float, call: Call) -> ZephrSession:
        whole = seconds > self._zephr.timeout - MARGIN
        try:
            session = self._client.get_session(session_id) if whole else self._hurry(session_id, seconds)
        except (ZephrUnavailable, ZephrTimeout) as error:
            # If the call had only a part of its time, a time-out says nothing about Zephr.
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

    def _doubt(self) -> None:
        # In another thread: the caller's time is over.
        try:
            threading.Thread(target=self._ask_anybody, name="jay_sessions.zephr.opinion", daemon=True).start()
        except RuntimeError:
            # The system has no thread left: the next failed call asks again.
            with self._breaker.second_opinion():
                pass

    def _ask_anybody(self) -> None:
        seconds = min(OPINION_SECONDS, self._zephr.timeout)
        try:
            with (
                self._breaker.second_opinion() as call,
                contextlib.closing(self._connect(seconds, max_attempts=1)) as client,
            ):
                try:
                    client.get_session(str(uuid.uuid4()))
                except (ZephrUnavailable, ZephrTimeout):
                    call.failed()
                except ZephrError:
                    # Usually a 404. Whatever Zephr says, it is there.
                    call.succeeded()
                else:
                    call.succeeded()
        finally:
            # A signal's receiver may open them. No end of a request closes them here.
            connections.close_all()

    def _hurry(self, session_id: str, seconds: float) -> ZephrSession:
        if seconds < MARGIN:
            raise ZephrTimeout("No time is left to ask Zephr.")
        # A client has one timeout for all its calls, so this client is for this call only.
        with contextlib.closing(self._connect(seconds)) as client:
            return client.get_session(session_id)

    def _connect(self, timeout: float, max_attempts: int = 0) -> ZephrClient:
        return ZephrClient(
            self._zephr.base_url,
            self._zephr.access_key,
            self._zephr.secret_key,
            timeout=timeout,
            connect_timeout=self._zephr.connect_timeout,
            max_attempts=max_attempts or self._zephr.max_attempts,
            proxy=self._zephr.proxy,
            ca_bundle=self._zephr.ca_bundle,
            observe=_attempted,
        )


def _attempted(attempt: Attempt) -> None:
    level = logging.INFO if attempt.outcome in _EXPECTED else logging.WARNING
    status = "no status" if attempt.status is None else f"status {attempt.status}"
    line = "Zephr call, attempt %d: %s, %s, after %d ms%s"
    # A status says enough.
    reason = f" ({attempt.reason})" if attempt.reason and attempt.status is None else ""
    logger.log(level, line, attempt.number, attempt.outcome, status, attempt.seconds * 1000, reason)
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
