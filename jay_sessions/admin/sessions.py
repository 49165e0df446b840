"""Tracking sessions in the admin: a list to search and filter, and a page to read. Nothing can be changed."""

from functools import partial
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import display_for_value
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from .. import conf
from ..analytics.export import Format
from ..core.uuid7 import moment_of
from ..models import LinkedZephrSession, Reason, TrackingSession
from .audit import note_deleted
from .changelist.deletion import delete_selected
from .changelist.ending import end_one, end_selected
from .changelist.export import export, may_export
from .changelist.filters import (
    ZEPHR_FILTERS,
    DaysFilter,
    PeriodFilter,
    ProviderFilter,
    SourceFilter,
    StateFilter,
    UserFilter,
)
from .changelist.moments import showable
from .changelist.session_list import SessionList
from .changelist.strict import StrictAdmin
from .dashboard.views import DashboardView, summary_of_today
from .zephr.views import ZephrLookupView, may_look_up

_ACTIVE = _("active")
_ENDED = {
    Reason.CLIENT: _("ended"),
    Reason.OPERATOR: _("ended by an operator"),
    Reason.DELETED: _("deleted before"),
    Reason.ERASED: _("ended, user erased"),
}


@admin.register(TrackingSession)
class TrackingSessionAdmin(StrictAdmin):
    list_display = ("started", "playout_id", "provider_name", "user_id", "state", "short_id", "api_key")
    list_filter = (PeriodFilter, DaysFilter, StateFilter, ProviderFilter, SourceFilter, UserFilter)
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each facet would count the whole table
    ordering = ("-session_id",)
    sortable_by = ()
    search_fields = ("session_id", "user_id", "playout_id")
    search_help_text = _(
        "A full session id, user id or playout, or the start of a user id or playout: netflix-de*"
    )
    actions = (end_selected, delete_selected)
    fields: ClassVar = [
        "session_id",
        "started_at",
        "ended",
        "state",
        "playout_id",
        "provider_name",
        "user_id",
        "source",
        "api_key",
    ]
    change_list_template = "admin/jay_sessions/trackingsession/change_list.html"

    @admin.display(description=_("started"), ordering="session_id")
    def started(self, session: TrackingSession) -> Any:
        """Return the start. The list sorts it by the id, which contains it and is indexed."""
        return session.started_at

    @admin.display(description=_("session id"))
    def short_id(self, session: TrackingSession) -> str:
        text = str(session.session_id)
        return format_html('<span title="{}">{}\u2060…\u2060{}</span>', text, text[:8], text[-8:])

    @admin.display(description=_("ended"))
    def ended(self, session: TrackingSession) -> Any:
        """Return the end as the admin shows times. For a method's result, a page does not do it itself."""
        moment = session.ended_at and showable(session.ended_at)
        return display_for_value(moment, self.get_empty_value_display())

    @admin.display(description=_("state"))
    def state(self, session: TrackingSession) -> Any:
        if session.ended_at is not None:
            return _ENDED[Reason(session.end.reason)]
        limit = conf.get().expired_until(timezone.now())
        return _("expired") if limit is not None and moment_of(session.session_id) <= limit else _ACTIVE

    @admin.display(description=_("at Zephr"))
    def at_zephr(self, session: TrackingSession) -> str:
        """Return Zephr's data in a few words; empty if no session is linked."""
        if session.zephr_session_id is None:
            return ""
        linked = _linked(session)
        if linked is None or linked.fetched_at is None:
            return str(_("not fetched yet"))
        return ", ".join(filter(None, linked.facts().values())) or str(_("nothing known"))

    @admin.display(description=_("Zephr session"))
    def zephr(self, session: TrackingSession) -> Any:
        """Return Zephr's data, one fact after another, under the session's shortened id."""
        linked = _linked(session) or LinkedZephrSession(pk=session.zephr_session_id)
        title = {field.name: field.verbose_name for field in linked._meta.fields}
        lines: list[Any] = [(title[name], text) for name, text in linked.facts().items() if text]
        lines.append((title["fetched_at"], linked.fetched_at or _("not yet")))
        return format_html("{}{}", linked, format_html_join("", "<br>{}: {}", lines))

    def get_list_display(self, request: HttpRequest) -> Any:
        return [*self.list_display, *(["at_zephr"] if _links() else [])]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return [*self.list_filter, *(ZEPHR_FILTERS if _links() else [])]

    def get_fields(self, request: HttpRequest, obj: TrackingSession | None = None) -> Any:
        is_linked = obj is not None and obj.zephr_session_id is not None
        return [*self.fields, *(["zephr"] if is_linked else [])]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: TrackingSession | None = None) -> bool:
        return False

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Say whether the operator may end sessions."""
        return request.user.has_perm("jay_sessions.end_trackingsession")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TrackingSession]:
        # Without this, each row would ask for each of them.
        return super().get_queryset(request).select_related("api_key", "zephr_session", "end")

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        session = context["original"]
        may_end = self.has_end_permission(request) and self.state(session) == _ACTIVE
        return super().render_change_form(request, {**context, "may_end": may_end}, *args, **kwargs)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Log the deleted sessions, with shortened ids."""
        return note_deleted(request, queryset)

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        """Lead back to the list. Django does so only for operators who may change sessions."""
        response: HttpResponse = super().response_delete(request, obj_display, obj_id)
        if not isinstance(response, HttpResponseRedirect) or not self.has_view_permission(request):
            return response
        address = reverse("admin:jay_sessions_trackingsession_changelist", current_app=self.admin_site.name)
        kept: Any = {"preserved_filters": self.get_preserved_filters(request), "opts": self.opts}
        return HttpResponseRedirect(add_preserved_filters(kept, address))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[SessionList]:
        return SessionList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[TrackingSession], search_term: str
    ) -> tuple[QuerySet[TrackingSession], bool]:
        """Do not search here: the list does, because it knows the index for each search."""
        return queryset, False

    def get_urls(self) -> list[URLPattern]:
        lookup = ZephrLookupView.as_view(model_admin=self)
        dashboard = DashboardView.as_view(model_admin=self)
        end = self.own(partial(end_one, model_admin=self))
        return [
            path("<path:object_id>/end/", end, name="jay_sessions_end"),
            path("export/", self.own(partial(export, model_admin=self)), name="jay_sessions_export"),
            path("zephr/", self.own(lookup), name="jay_sessions_zephr_lookup"),
            path("dashboard/", self.own(dashboard), name="jay_sessions_dashboard"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        actions = self.get_actions(request)
        context = {
            "may_look_up_zephr": may_look_up(request),
            "may_export": may_export(request),
            "export_formats": [form.value for form in Format],
            "ticked_name": ACTION_CHECKBOX_NAME,
            "all_actions": {name: action for name, action in _ALL_ACTIONS.items() if action in actions},
            "summary": summary_of_today(self.admin_site.name),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)


_ALL_ACTIONS = {"end": end_selected.__name__, "delete": delete_selected.__name__}
"""The actions for all sessions that match, by the name of their button."""


def _links() -> bool:
    zephr = conf.get().zephr
    return zephr is not None and zephr.link_sessions


def _linked(session: TrackingSession) -> LinkedZephrSession | None:
    # Before Zephr is asked there is no row: with the list's join this is None, else its query raises.
    try:
        return session.zephr_session
    except LinkedZephrSession.DoesNotExist:
        return None
