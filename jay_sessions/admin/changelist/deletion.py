"""Deletes sessions from the list: the ticked ones, or all that match, in batches."""

import datetime
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as delete_ticked
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import DELETION
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...models import TrackingSession, TrackingSessionQuerySet
from ..audit import note
from .session_list import SessionList

BATCH = 1000
"""Sessions per statement and transaction."""

MAX_DELETED = 100_000
"""Most sessions that one request deletes: a web server does not wait longer for an answer."""

_TEMPLATE = "admin/jay_sessions/trackingsession/delete_all.html"


@admin.action(permissions=["delete"], description=gettext_lazy("Delete selected %(verbose_name_plural)s"))
def delete_selected(
    model_admin: Any, request: HttpRequest, queryset: QuerySet[TrackingSession]
) -> TemplateResponse | None:
    """Delete the ticked sessions as Django does, with a line in the log for each.

    To delete all that match, on all pages, the operator must confirm. Up to `MAX_DELETED` of them are then
    deleted in batches, with one line in the log. Sessions that began after the question stay.
    """
    if request.POST.get("select_across") != "1":
        response: TemplateResponse | None = delete_ticked(model_admin, request, queryset)
        return response
    shown: SessionList = model_admin.get_changelist_instance(request)
    until = _moment(request.POST.get("until", ""))
    if not request.POST.get("post") or until is None:
        return _confirmation(model_admin, request, shown)
    rows = cast(TrackingSessionQuerySet, queryset)
    _delete(model_admin, request, rows.started_before(until), shown.described())
    return None


def _moment(text: str) -> datetime.datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def _confirmation(model_admin: Any, request: HttpRequest, shown: SessionList) -> TemplateResponse:
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Delete all that match"),
        "opts": model_admin.opts,
        "media": model_admin.media,
        "count": shown.count_in_words,
        "most": number_format(MAX_DELETED, force_grouping=True),
        "until": timezone.now().isoformat(),
        "ticked_name": ACTION_CHECKBOX_NAME,
        "ticked": request.POST[ACTION_CHECKBOX_NAME],
    }
    return TemplateResponse(request, _TEMPLATE, context)


def _delete(model_admin: Any, request: HttpRequest, rows: TrackingSessionQuerySet, described: str) -> None:
    count = 0
    try:
        for deleted in rows.delete_in_batches(BATCH, newest_first=True):
            count += deleted
            if count >= MAX_DELETED:
                break
    finally:
        if count:
            note(request, f"{count} tracking sessions", f"Deleted all that matched: {described}.", DELETION)
    text = _("%s tracking sessions were deleted.") % number_format(count, force_grouping=True)
    if count < MAX_DELETED:
        model_admin.message_user(request, text, messages.SUCCESS)
    else:
        more = _("There may be more that match: delete again.")
        model_admin.message_user(request, f"{text} {more}", messages.WARNING)
