"""A playout's sessions, newest first, page by page."""

import dataclasses
import datetime
import uuid

from django.utils import timezone

from . import sessions
from .models import TrackingSession
from .querysets import TrackingSessionQuerySet
from .store import available

MAX_LIMIT = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Filters:
    """What to list: sessions that fit whatever is not None.

    The user id may be given as it came or as it is stored. Started at `started_after` or later, and
    earlier than `started_before`; `active` sessions are neither ended nor past their lifetime.
    """

    user_id: str | None = None
    provider: str | None = None
    active: bool | None = None
    started_after: datetime.datetime | None = None
    started_before: datetime.datetime | None = None


def page(
    playout_id: str, filters: Filters, limit: int, after: uuid.UUID | None = None
) -> tuple[list[TrackingSession], uuid.UUID | None]:
    """Return up to `limit` sessions, and the id to give as `after` for the next page, if there is one.

    Whatever arrives while somebody turns the pages, each session that was there stands on one of
    them, once. Raises StoreUnavailable.
    """
    rows = _matching(playout_id, filters).order_by("-session_id")
    if after is not None:
        rows = rows.filter(session_id__lt=after)
    with available():
        found = list(rows[: limit + 1])
    if len(found) <= limit:
        return found, None
    return found[:limit], found[limit - 1].session_id


def _matching(playout_id: str, filters: Filters) -> TrackingSessionQuerySet:
    rows = TrackingSession.objects.filter(playout_id=playout_id)
    if filters.user_id is not None:
        rows = rows.of_user(filters.user_id)
    if filters.provider is not None:
        rows = rows.filter(provider_name=filters.provider)
    if filters.started_after is not None:
        rows = rows.started_from(filters.started_after)
    if filters.started_before is not None:
        rows = rows.started_before(filters.started_before)
    if filters.active is not None:
        limit = sessions.expired_until(timezone.now())
        rows = rows.active(limit) if filters.active else rows.inactive(limit)
    return rows
