"""Lines in the admin's log for actions on many sessions, or on something that is not stored."""

from collections.abc import Iterable
from typing import Any, cast

from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest

from ..models import TrackingSession


def note(request: HttpRequest, subject: str, message: str, action: int = CHANGE) -> None:
    """Log an action of the operator on `subject`, for which there is no single row."""
    _line(request, subject, message, action).save(force_insert=True)


def note_deleted(request: HttpRequest, sessions: Iterable[TrackingSession]) -> list[LogEntry]:
    """Log each session that the operator deletes, by its shortened id; Django would log the whole id."""
    lines = [_line(request, str(session), "", DELETION) for session in sessions]
    return LogEntry.objects.bulk_create(lines)


def _line(request: HttpRequest, subject: str, message: str, action: int) -> LogEntry:
    return LogEntry(
        user=cast(Any, request.user),
        content_type=ContentType.objects.get_for_model(TrackingSession),
        object_repr=subject,
        action_flag=action,
        change_message=message,
    )
