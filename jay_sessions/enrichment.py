"""What Zephr knows of the sessions that tracking sessions are linked to, fetched into a table of its own.

A session is claimed before it is fetched, so that several processes share the work, and a run that was
cut off is taken up by the next one.
"""

import enum
from collections.abc import Iterator

from django.db import router, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from . import changed_days
from .exceptions import InvalidValue, ZephrSessionNotFound
from .identifiers import check_text
from .models import LinkedZephrSession, TrackingSession
from .querysets import CLAIM_LASTS
from .zephr import gateway
from .zephr.session import DeviceSession, ZephrSession

BATCH = 500


class Outcome(enum.StrEnum):
    """What became of a session."""

    FETCHED = "fetched"
    UNKNOWN = "not known to Zephr"
    ELSEWHERE = "fetched by another process"
    FAILED = "left for another time"


def waiting() -> int:
    """Return how many Zephr sessions are linked and were not fetched yet."""
    return _waiting().count()


def waiting_ids() -> Iterator[str]:
    """Give the ids of these sessions, each once, in batches of `BATCH` per query."""
    last = ""
    while batch := list(_waiting().filter(zephr_session_id__gt=last)[:BATCH]):
        yield from batch
        last = batch[-1]


def _waiting() -> QuerySet[TrackingSession, str]:
    known = LinkedZephrSession.objects.filter(pk=OuterRef("zephr_session_id")).filter(
        Q(fetched_at__isnull=False) | Q(claimed_at__gt=timezone.now() - CLAIM_LASTS)
    )
    linked = TrackingSession.objects.primary().filter(~Exists(known), zephr_session__isnull=False)
    return linked.order_by("zephr_session_id").values_list("zephr_session_id", flat=True).distinct()


def enrich(zephr_session_id: str) -> Outcome:
    """Fetch a session and store what is of use for analytics.

    Raises what `gateway.get_session` raises, but for a session that Zephr does not know; then the
    session waits for another time.
    """
    sessions = LinkedZephrSession.objects
    now = timezone.now()
    if not sessions.claim(zephr_session_id, now):
        return Outcome.ELSEWHERE
    try:
        found = _facts(gateway.get_session(zephr_session_id), zephr_session_id)
    except (InvalidValue, ZephrSessionNotFound):
        found = {}
    except BaseException:
        sessions.release(zephr_session_id, now)
        raise
    with transaction.atomic(router.db_for_write(LinkedZephrSession)):
        sessions.filter(pk=zephr_session_id).update(fetched_at=timezone.now(), **found)
        if found:
            changed_days.note_enriched(zephr_session_id)
    return Outcome.FETCHED if found else Outcome.UNKNOWN


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
    # A Zephr session holds one for each of the user's devices; the one that was asked for, or the only one.
    for device in session.sessions:
        if device.session_id == zephr_session_id:
            return device
    return session.sessions[0] if len(session.sessions) == 1 else DeviceSession()


def _storable(value: str | None) -> str | None:
    try:
        return None if value is None else check_text(str(value)) or None
    except InvalidValue:
        return None
