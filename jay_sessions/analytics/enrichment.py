"""Fetches Zephr's data about linked sessions into a table of its own.

A process claims a session before it fetches it, so that several processes share the work. The next run
continues a run that was cut off.
"""

import enum
from collections.abc import Iterator

from django.db import router, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from ..core.identifiers import check_text
from ..database import clock
from ..exceptions import InvalidValue, ZephrSessionNotFound
from ..models import LinkedZephrSession, TrackingSession
from ..models.rollups import FetchedZephrSession
from ..models.zephr import claims_at
from ..zephr import gateway
from ..zephr.session import DeviceSession, ZephrSession

BATCH = 500


class Outcome(enum.StrEnum):
    """The result for one session."""

    FETCHED = "fetched"
    UNKNOWN = "not known to Zephr"
    ELSEWHERE = "fetched by another process"
    FAILED = "left for a later run"


def waiting() -> int:
    """Return the number of linked Zephr sessions that were not fetched yet."""
    return _waiting().count()


def waiting_ids() -> Iterator[str]:
    """Yield the ids of these sessions, each once, in batches of `BATCH` per query."""
    last = ""
    while batch := list(_waiting().filter(zephr_session_id__gt=last)[:BATCH]):
        yield from batch
        last = batch[-1]


def _waiting() -> QuerySet[TrackingSession, str]:
    known = LinkedZephrSession.objects.filter(pk=OuterRef("zephr_session_id")).filter(
        Q(fetched_at__isnull=False) | claims_at(clock.now(_alias()))
    )
    linked = TrackingSession.objects.primary().filter(~Exists(known), zephr_session__isnull=False)
    return linked.order_by("zephr_session_id").values_list("zephr_session_id", flat=True).distinct()


def enrich(zephr_session_id: str) -> Outcome:
    """Fetch a session and store the fields that analytics needs.

    Returns UNKNOWN if Zephr does not know the session. Raises what else `gateway.get_session` raises; then a
    later run tries the session again.
    """
    sessions = LinkedZephrSession.objects
    now = clock.now(_alias())
    if not sessions.claim(zephr_session_id, now):
        return Outcome.ELSEWHERE
    try:
        facts = _facts(gateway.get_session(zephr_session_id), zephr_session_id)
    except (InvalidValue, ZephrSessionNotFound):
        facts = {}
    except BaseException:
        sessions.release(zephr_session_id, now)
        raise
    with transaction.atomic(_alias()):
        sessions.filter(pk=zephr_session_id).update(fetched_at=clock.now(_alias()), **facts)
        if facts:
            # The rollups have counted its sessions without a device and a country.
            notes = FetchedZephrSession.objects.using(_alias())
            notes.bulk_create([FetchedZephrSession(pk=zephr_session_id)], ignore_conflicts=True)
    return Outcome.FETCHED if facts else Outcome.UNKNOWN


def _alias() -> str:
    return router.db_for_write(LinkedZephrSession)


def _facts(session: ZephrSession, zephr_session_id: str) -> dict[str, str | None]:
    device = _device(session, zephr_session_id)
    facts = {
        "state": device.state,
        "user_state": session.access_model.user_state if session.access_model else None,
        "device": device.device,
        "browser": device.browser,
        "os": device.os,
        "country": device.country,
    }
    return {name: _storable(value) for name, value in facts.items()}


def _device(session: ZephrSession, zephr_session_id: str) -> DeviceSession:
    # A Zephr session has a row for each of the user's devices: take the requested one, or the only one.
    for device in session.sessions:
        if device.session_id == zephr_session_id:
            return device
    return session.sessions[0] if len(session.sessions) == 1 else DeviceSession()


def _storable(value: str | None) -> str | None:
    try:
        return None if value is None else check_text(str(value)) or None
    except InvalidValue:
        return None
