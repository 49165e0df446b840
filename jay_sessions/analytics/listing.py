"""A playout's sessions, newest first, page by page."""

import dataclasses
import datetime
import uuid

from django.utils import timezone

from .. import conf
from ..database.errors import translating_errors
from ..models import TrackingSession, TrackingSessionQuerySet

MAX_LIMIT = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class SessionFilters:
    """The sessions to list: those that match every field that is not None.

    The user id may be the original or the stored form. Times: from `started_after` on, to before
    `started_before`. `active` sessions have neither ended nor passed their lifetime.
    """

    user_id: str | None = dataclasses.field(default=None, repr=False)
    provider: str | None = None
    active: bool | None = None
    started_after: datetime.datetime | None = None
    started_before: datetime.datetime | None = None


def page(
    playout_id: str, filters: SessionFilters, limit: int, after: uuid.UUID | None = None
) -> tuple[list[TrackingSession], uuid.UUID | None]:
    """Return up to `limit` sessions, and the id to pass as `after` for the next page, or None.

    A session that exists when the reading begins is on exactly one page, even if new ones arrive
    meanwhile. Raises StoreUnavailable.
    """
    rows = _matching(playout_id, filters).order_by("-session_id")
    if after is not None:
        rows = rows.filter(session_id__lt=after)
    with translating_errors():
        sessions = list(rows[: limit + 1])
    if len(sessions) <= limit:
        return sessions, None
    return sessions[:limit], sessions[limit - 1].session_id


def _matching(playout_id: str, filters: SessionFilters) -> TrackingSessionQuerySet:
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
        limit = conf.get().expired_until(timezone.now())
        rows = rows.active(limit) if filters.active else rows.inactive(limit)
    return rows
