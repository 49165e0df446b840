"""The session list as a file: the sessions that its filters and its search show, on all pages."""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBadRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from ...analytics.export import Block, Format, blocks
from ...database.attempts import LONG
from ...database.queries import ask_once
from ...exceptions import StoreUnavailable
from ...http import is_asgi
from ...models import TrackingSession
from ..audit import note
from .session_list import SessionList
from .strict import Refused

PERMISSION = "jay_sessions.export_trackingsession"

INCOMPLETE = b"\r\nINCOMPLETE: the database went away\r\n"
"""The last line of a broken export. It is not JSON, and in CSV not a session."""


def may_export(request: HttpRequest) -> bool:
    """Return whether the operator may export sessions."""
    return request.user.has_perm(PERMISSION)


@require_POST
def export(request: HttpRequest, *, model_admin: Any) -> HttpResponseBase:
    """Answer with the sessions that the list shows for the same query string.

    The method is POST, as it writes a line to the log. If the database fails meanwhile, the file ends with
    `INCOMPLETE` and the connection breaks, so that a partial file does not look complete.
    """
    if not (model_admin.has_view_permission(request) and may_export(request)):
        raise PermissionDenied
    try:
        form = _format(request)
        shown: SessionList = model_admin.get_changelist_instance(request)
    except Refused as refused:
        text = _("Nothing was exported.")
        return HttpResponseBadRequest(f"{refused} {text}\n", content_type="text/plain; charset=utf-8")
    rows = shown.queryset if shown.wanted.indexed is None else shown.wanted.indexed
    pieces = _honest(blocks(rows, form, spans=shown.wanted.spans), rows.db)
    subject = str(TrackingSession._meta.verbose_name_plural)
    note(request, subject, f"Exported as {form.name}: {shown.described()}.")
    name = f"tracking-sessions-{timezone.localdate()}.{form}"
    return StreamingHttpResponse(
        _in_threads(pieces) if is_asgi(request.META) else pieces,
        content_type=form.content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        },
    )


def _format(request: HttpRequest) -> Format:
    try:
        return Format(request.POST.get("format", ""))
    except ValueError as error:
        raise Refused("format") from error


def _honest(written: Iterator[Block], alias: str) -> Iterator[bytes]:
    # Only the database's time counts, however slowly the client reads.
    following = partial(next, written, None)
    try:
        while (block := ask_once(alias, following, seconds=LONG)) is not None:
            yield block.data
    except StoreUnavailable:
        # Not every server breaks the connection if an answer raises: Granian's WSGI ends it like a
        # complete one.
        yield INCOMPLETE
        raise


async def _in_threads(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    # Given a plain iterator, Django would first read all pieces into memory.
    following = sync_to_async(partial(next, pieces, None))
    while (piece := await following()) is not None:
        yield piece
