"""Lines in the admin's log for what is done with many sessions, or with none that is stored."""

from typing import Any, cast

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest

from ..models import TrackingSession


def note(request: HttpRequest, subject: str, message: str, action: int = CHANGE) -> None:
    """Note that the operator did something to `subject`, which no single row stands for."""
    LogEntry.objects.create(
        user=cast(Any, request.user),
        content_type=ContentType.objects.get_for_model(TrackingSession),
        object_repr=subject,
        action_flag=action,
        change_message=message,
    )
