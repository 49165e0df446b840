"""The session list as a file: what its filters and its search show, on all pages."""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponseBadRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_POST

from ..exceptions import StoreUnavailable
from ..export import Block, Format, blocks
from ..models import TrackingSession
from .audit import note
from .session_list import SessionList

PERMISSION = "jay_sessions.export_trackingsession"

INCOMPLETE = b"\r\nINCOMPLETE: the database went away\r\n"
"""A line that is no JSON, and in CSV no session."""


def may_export(request: HttpRequest) -> bool:
    """Say whether the operator may take sessions away as a file."""
    return request.user.has_perm(PERMISSION)


@require_POST
def export(request: HttpRequest, *, model_admin: Any) -> HttpResponseBase:
    """Answer with the sessions that the list shows for the same query string.

    By POST, as it leaves a line in the log. Where the database goes away, the file ends with
    `INCOMPLETE` and the connection breaks: what has arrived by then does not look like all of it.
    """
    if not (model_admin.has_view_permission(request) and may_export(request)):
        raise PermissionDenied
    try:
        form = Format(request.POST.get("format", ""))
        shown: SessionList = model_admin.get_changelist_instance(request)
    except (ValueError, IncorrectLookupParameters):
        return HttpResponseBadRequest()
    rows = shown.queryset if shown.wanted.indexed is None else shown.wanted.indexed
    pieces = _honest(blocks(rows, form))
    subject = str(TrackingSession._meta.verbose_name_plural)
    note(request, subject, f"Exported as {form.name}: {shown.described()}.")
    name = f"tracking-sessions-{timezone.localdate()}.{form}"
    return StreamingHttpResponse(
        _in_threads(pieces) if isinstance(request, ASGIRequest) else pieces,
        content_type=form.content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        },
    )


def _honest(written: Iterator[Block]) -> Iterator[bytes]:
    try:
        for block in written:
            yield block.data
    except StoreUnavailable:
        # Not every server breaks the connection where an answer raises: Granian's WSGI ends it as if
        # it were whole.
        yield INCOMPLETE
        raise


async def _in_threads(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    # Django would read all of them into memory first.
    following = sync_to_async(partial(next, pieces, None))
    while (piece := await following()) is not None:
        yield piece
