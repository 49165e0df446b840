"""Deletes sessions from the list: the ticked ones, or all that match, in batches."""

from collections.abc import Iterable
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.actions import delete_selected as delete_ticked
from django.contrib.admin.models import DELETION
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...models import TrackingSession, TrackingSessionQuerySet
from ..audit import note
from . import confirmation
from .limits import in_the_log, limited, tell
from .session_list import SessionList

BATCH = 1000
"""Sessions per statement and transaction."""

MAX_DELETED = 100_000
"""Most sessions that one request deletes: a web server does not wait longer for an answer."""


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
    until = confirmation.confirmed_at(request)
    if until is None:
        title, hidden = _("Delete all that match"), confirmation.selection(request)
        return confirmation.page(model_admin, request, title, _question(shown), hidden=hidden)
    rows = cast(TrackingSessionQuerySet, queryset)
    parts = shown.parts(rows.started_before(until))
    batches = (count for part in parts for count in part.delete_in_batches(BATCH, newest_first=True))
    _delete(model_admin, request, batches, shown.described())
    return None


def _question(shown: SessionList) -> list[str]:
    count = shown.count_in_words
    if count:
        first = _("Delete %s tracking sessions, all that match the filters and the search?") % count
    else:
        first = _("Delete all tracking sessions that match the filters and the search?")
    limit = _("Up to %s are deleted at a time. Sessions that begin from now on are left.")
    return [
        f"{first} {_('They cannot be brought back.')}",
        _("A deleted session is ended, too: the client's token is no longer valid."),
        limit % number_format(MAX_DELETED, force_grouping=True),
    ]


def _delete(model_admin: Any, request: HttpRequest, batches: Iterable[int], described: str) -> None:
    def log(count: int) -> None:
        note(request, in_the_log(count), f"Deleted all that matched: {described}.", DELETION)

    count = limited(batches, MAX_DELETED, log)
    said = _("%s tracking sessions were deleted.") % number_format(count, force_grouping=True)
    more = _("There may be more that match: delete again.") if count >= MAX_DELETED else ""
    tell(model_admin, request, said, more)
