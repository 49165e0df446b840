"""Checks for django-health-check: whether sessions can be stored, and whether Zephr answers us.

They need the extra `[health]`, and complement that library's `Database` and `Cache`. Their exceptions contain
only a code, because anybody may read them; the details are in the log.
"""

import dataclasses
import datetime
import logging
import threading
import time

from django.conf import settings
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error as DatabaseError
from django.utils import timezone
from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable, ServiceWarning

from . import conf
from .database import attempts, commits, errors, tables
from .exceptions import ZephrError
from .models import EndedSession, LateSession, TrackingSession
from .store import partitions, recorders
from .zephr import advice, ping

logger = logging.getLogger("jay_sessions")

_State = tuple[bool, list[commits.Fault], datetime.datetime]

_RIGHTS = [
    (privilege, model._meta.db_table)
    for privilege, model in (
        ("INSERT", TrackingSession),
        ("INSERT", EndedSession),
        ("INSERT", LateSession),
    )
]
"""What the database user needs to start and end sessions. Commands may have another user."""


@dataclasses.dataclass
class SessionStore(HealthCheck):
    """The sessions' database answers, has the right tables, accepts writes and does not lose them.

    With partitions, there must be one for the next `hours`; with 0, for this moment.
    """

    hours: int = dataclasses.field(default=0, repr=False)

    def run(self) -> None:
        """Raises ServiceUnavailable. Reads at most one row of each table, and writes nothing."""
        connection = connections[router.db_for_write(TrackingSession)]
        now = timezone.now()
        try:
            takes_writes, faults, room_until = self._state(connection, now)
        except DatabaseError as error:
            if errors.is_not_migrated(error):
                said, run = errors.reason(error), errors.migrate()
                logger.error("The database lacks something: %s. Run: %s", said, run)  # noqa: TRY400 (one line each)
                raise ServiceUnavailable("STORE_NOT_MIGRATED") from None
            logger.error("Sessions cannot be stored: %s", str(error).strip())  # noqa: TRY400 (one line each)
            raise ServiceUnavailable("STORE_UNAVAILABLE") from None
        if not takes_writes:
            raise ServiceUnavailable("STORE_READ_ONLY")
        if room_until <= now + datetime.timedelta(hours=self.hours):
            logger.error("Partitions end at %s. %s", room_until.isoformat(), errors.MAKE_PARTITIONS)
            raise ServiceUnavailable("STORE_NO_PARTITION")
        if recorders.is_stuck():
            logger.error("The recorder has waited too long for one write.")
            raise ServiceUnavailable("STORE_STUCK")
        if faults:
            logger.error("Acknowledged sessions may be lost: %s", "; ".join(map(_said, faults)))
            raise ServiceUnavailable("STORE_NOT_DURABLE")

    def _state(self, connection: BaseDatabaseWrapper, now: datetime.datetime) -> _State:
        was_open = connection.connection is not None

        def use(again: bool) -> _State:
            tables.look_at(connection.alias)
            faults = [fault for fault in commits.faults(connection) if not _is_silenced(fault)]
            missing = errors.missing_rights(connection, _RIGHTS)
            for privilege, table in missing:
                logger.error("The database user lacks the right %s on %s.", privilege, table)
            takes_writes = not missing and not errors.refuses_writes(connection)
            return takes_writes, faults, partitions.room_until(connection.alias, now)

        try:
            return attempts.attempt(connection, use)
        finally:
            if not was_open:
                connection.close()


def _is_silenced(fault: commits.Fault) -> bool:
    return fault.check in settings.SILENCED_SYSTEM_CHECKS


def _said(fault: commits.Fault) -> str:
    return f"{fault.name} is off ({fault.remedy})"


@dataclasses.dataclass
class Zephr(HealthCheck):
    """Zephr's Admin API is reachable, accepts our key pair, and its clock agrees with ours.

    Each process asks Zephr at most once a minute, with two requests; in between it repeats the last
    result. Without a `ZEPHR` setting the check passes and asks nothing.
    """

    # The longest time that `jay_ping_zephr` can take: two calls that each use all their time.
    timeout = datetime.timedelta(minutes=1)

    def run(self) -> None:
        """Raises ServiceUnavailable with the API's code for the problem, such as ZEPHR_TIMEOUT."""
        zephr = conf.get().zephr
        if zephr is not None and (code := _last.code(zephr)):
            raise ServiceUnavailable(code)


KEPT = 60.0
"""Seconds for which Zephr's last answer is used again."""


class _LastProbe:
    """The last result of this process. While one thread asks Zephr, the others use the previous result."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._last: tuple[conf.ZephrSettings, float, str] | None = None

    def code(self, zephr: conf.ZephrSettings) -> str:
        """Return the code of the problem, "" for none. Raises ServiceWarning before the first result."""
        last = self._last
        if last is not None and last[0] != zephr:
            last = None
        if last is not None and time.monotonic() - last[1] < KEPT:
            return last[2]
        if self._asking.acquire(blocking=False):
            try:
                code = _ask(zephr)
                self._last = zephr, time.monotonic(), code
            finally:
                self._asking.release()
            return code
        if last is None:
            raise ServiceWarning("ZEPHR_NOT_KNOWN_YET")
        return last[2]


def _ask(zephr: conf.ZephrSettings) -> str:
    try:
        for _ in ping.ping(zephr):
            pass
    except ZephrError as error:
        logger.error("Zephr is not healthy: %s", advice.in_words(error))  # noqa: TRY400 (one line each)
        return error.code
    return ""


_last = _LastProbe()
