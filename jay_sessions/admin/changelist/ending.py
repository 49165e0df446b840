"""Ends sessions as an operator: the ticked ones, all that match, or one from its page."""

from collections.abc import Iterable
from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ... import ending
from ...models import TrackingSession, TrackingSessionQuerySet
from ..audit import note
from . import confirmation
from .limits import in_the_log, limited, tell
from .session_list import SessionList

MAX_ENDED = 100_000
"""Most sessions that one request ends: a web server does not wait longer for an answer."""

_FINAL = gettext_lazy("After that, their tokens are no longer valid. This cannot be undone.")


@admin.action(permissions=["end"], description=gettext_lazy("End selected %(verbose_name_plural)s"))
def end_selected(
    model_admin: Any, request: HttpRequest, queryset: QuerySet[TrackingSession]
) -> TemplateResponse | None:
    """End the ticked sessions, or up to `MAX_ENDED` of all that match, after the operator has confirmed it.

    Sessions that have ended or expired do not change, and neither do those that began after the question.
    """
    shown: SessionList = model_admin.get_changelist_instance(request)
    across = request.POST.get("select_across") == "1"
    until = confirmation.confirmed_at(request)
    if until is None:
        paragraphs = [_question(shown if across else None, queryset), str(_FINAL)]
        hidden = confirmation.selection(request)
        return confirmation.page(model_admin, request, _("End sessions"), paragraphs, hidden=hidden)
    rows = cast(TrackingSessionQuerySet, queryset).started_before(until)
    what = f"all that matched: {shown.described()}" if across else ", ".join(map(str, rows))
    parts = shown.parts(rows) if across else [rows]
    batches = (count for part in parts for count in ending.end_each(part, newest_first=True))
    _end(model_admin, request, batches, what)
    return None


def _question(shown: SessionList | None, queryset: QuerySet[TrackingSession]) -> str:
    if shown is None:
        count = queryset.count()
        text = ngettext("End the selected session?", "End the %(count)s selected sessions?", count)
        return text % {"count": count}
    return _("End all active sessions that match the filters and the search? Up to %s at a time.") % (
        number_format(MAX_ENDED, force_grouping=True)
    )


def _end(model_admin: Any, request: HttpRequest, batches: Iterable[int], what: str) -> None:
    count = limited(batches, MAX_ENDED, lambda count: note(request, in_the_log(count), f"Ended {what}."))
    text = ngettext("%(count)s session was ended.", "%(count)s sessions were ended.", count)
    said = text % {"count": number_format(count, force_grouping=True)}
    more = _("There may be more that match: end them again.") if count >= MAX_ENDED else ""
    tell(model_admin, request, said, more)


def end_one(request: HttpRequest, object_id: str, *, model_admin: Any) -> HttpResponse:
    """End one session from its page, after the operator has confirmed it."""
    session = model_admin.get_object(request, object_id)
    if session is None:
        missing: HttpResponse = model_admin._get_obj_does_not_exist_redirect(
            request, model_admin.opts, object_id
        )
        return missing
    if not model_admin.has_end_permission(request) or not model_admin.has_view_permission(request, session):
        raise PermissionDenied
    view = "admin:jay_sessions_trackingsession_change"
    page = reverse(view, args=[session.pk], current_app=model_admin.admin_site.name)
    if request.method != "POST":
        question = _("End the session %s?") % session
        final = _("After that, its token is no longer valid. This cannot be undone.")
        return confirmation.page(model_admin, request, _("End session"), [question, final], back=page)
    if ending.end_by_id(session.pk):
        note(request, str(session), "Ended.")
        model_admin.message_user(request, _("The session was ended."), messages.SUCCESS)
    else:
        model_admin.message_user(request, _("The session had ended or expired before."), messages.INFO)
    return HttpResponseRedirect(page)
