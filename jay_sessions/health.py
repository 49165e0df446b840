"""Checks for django-health-check: whether sessions can be stored, and whether Zephr answers us.

Beside its own `Database` and `Cache`; with the extra `[health]`. What they raise names a code and no
more, as anybody may read it; the log has the rest.
"""

import dataclasses
import datetime
import logging
import threading
import time

from django.db import connections, router
from django.db.utils import Error as DatabaseError
from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable, ServiceWarning

from . import conf, store
from .exceptions import ZephrError
from .models import TrackingSession
from .zephr import ping

logger = logging.getLogger("jay_sessions")


@dataclasses.dataclass
class SessionStore(HealthCheck):
    """The database that sessions are written to answers, has their table as it must be, and takes writes."""

    def run(self) -> None:
        """Raises ServiceUnavailable. Reads one row at the most, and writes none."""
        connection = connections[router.db_for_write(TrackingSession)]
        try:
            with connection.temporary_connection():
                # The newest: at the old end a purge leaves much behind that would be walked over.
                TrackingSession.objects.using(connection.alias).order_by("-session_id").first()
                takes_writes = not store.is_read_only(connection)
        except DatabaseError as error:
            logger.error("Sessions cannot be stored: %s", str(error).strip())  # noqa: TRY400 (one line each)
            raise ServiceUnavailable("STORE_UNAVAILABLE") from None
        if not takes_writes:
            raise ServiceUnavailable("STORE_READ_ONLY")


@dataclasses.dataclass
class Zephr(HealthCheck):
    """Zephr's Admin API is reachable, takes our key pair and shares our time.

    Each process asks Zephr once a minute at the most, with two requests; in between it says what it
    found then. Nothing is asked, and all is well, where the site has no `ZEPHR`.
    """

    # As long as `jay_ping_zephr` may take: both calls with their whole time.
    timeout = datetime.timedelta(minutes=1)

    def run(self) -> None:
        """Raises ServiceUnavailable with the API's code for what is wrong, such as ZEPHR_TIMEOUT."""
        zephr = conf.get().zephr
        if zephr is not None and (code := _last.code(zephr)):
            raise ServiceUnavailable(code)


KEPT = 60.0
"""Seconds for which what Zephr answered is taken for how it is."""


class _LastAnswer:
    """What this process has found out of Zephr; one thread asks, meanwhile others take the answer before."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._found: tuple[conf.ZephrSettings, float, str] | None = None

    def code(self, zephr: conf.ZephrSettings) -> str:
        """Return the code of what is wrong, "" for nothing. Raises ServiceWarning where nobody knows yet."""
        found = self._found
        if found is not None and found[0] != zephr:
            found = None
        if found is not None and time.monotonic() - found[1] < KEPT:
            return found[2]
        if self._asking.acquire(blocking=False):
            try:
                code = _ask(zephr)
                self._found = zephr, time.monotonic(), code
            finally:
                self._asking.release()
            return code
        if found is None:
            raise ServiceWarning("ZEPHR_NOT_KNOWN_YET")
        return found[2]


def _ask(zephr: conf.ZephrSettings) -> str:
    try:
        for _ in ping.ping(zephr):
            pass
    except ZephrError as error:
        logger.error("Zephr is not healthy: %s", ping.advice(error))  # noqa: TRY400 (one line each)
        return error.code
    return ""


_last = _LastAnswer()
