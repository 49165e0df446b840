"""Tracking sessions in the admin: a list to search and filter, a page to read, nothing to change."""

from functools import partial
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from .. import conf, sessions
from ..models import LinkedZephrSession, TrackingSession
from .dashboard import DashboardView, summary_of_today
from .deletion import delete_selected
from .export import export, may_export
from .filters import (
    ZEPHR_FILTERS,
    DaysFilter,
    PeriodFilter,
    ProviderFilter,
    SourceFilter,
    StateFilter,
    UserFilter,
)
from .session_list import SessionList
from .zephr import ZephrLookupView, may_look_up


@admin.register(TrackingSession)
class TrackingSessionAdmin(admin.ModelAdmin):
    list_display = ("started", "playout_id", "provider_name", "user_id", "state", "short_id", "api_key")
    list_filter = (PeriodFilter, DaysFilter, StateFilter, ProviderFilter, SourceFilter, UserFilter)
    list_select_related: ClassVar = ["api_key", "zephr_session"]
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each facet would count the whole table
    ordering = ("-session_id",)
    sortable_by = ()
    search_fields = ("session_id", "user_id", "playout_id")
    search_help_text = _(
        "A session id, user id or playout in full, or how a user id or playout begins: netflix-de*"
    )
    actions = (delete_selected,)
    fields: ClassVar = [
        "session_id",
        "started_at",
        "ended_at",
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
        """Return the start, sorted by the id that carries it and has the index."""
        return session.started_at

    @admin.display(description=_("session id"))
    def short_id(self, session: TrackingSession) -> str:
        text = str(session.session_id)
        return format_html('<span title="{}">{}\u2060…\u2060{}</span>', text, text[:8], text[-8:])

    @admin.display(description=_("state"))
    def state(self, session: TrackingSession) -> Any:
        if session.ended_at is not None:
            return _("ended")
        limit = sessions.expired_until(timezone.now())
        return _("expired") if limit is not None and session.started_at <= limit else _("active")

    @admin.display(description=_("at Zephr"))
    def at_zephr(self, session: TrackingSession) -> str:
        """Say in a few words what Zephr said, empty where no session is linked."""
        if session.zephr_session_id is None:
            return ""
        found = _linked(session)
        if found is None or found.fetched_at is None:
            return str(_("not fetched yet"))
        return ", ".join(filter(None, found.facts().values())) or str(_("nothing known"))

    @admin.display(description=_("Zephr session"))
    def zephr(self, session: TrackingSession) -> Any:
        """Return what Zephr said, fact by fact, under the session's shortened id."""
        found = _linked(session) or LinkedZephrSession(pk=session.zephr_session_id)
        title = {field.name: field.verbose_name for field in found._meta.fields}
        lines: list[Any] = [(title[name], text) for name, text in found.facts().items() if text]
        lines.append((title["fetched_at"], found.fetched_at or _("not yet")))
        return format_html("{}{}", found, format_html_join("", "<br>{}: {}", lines))

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

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Refuse look-ups on columns that are made up in the URL: most have no index."""
        filters = {getattr(chosen, "parameter_name", "") for chosen in (*self.list_filter, *ZEPHR_FILTERS)}
        columns = {field.name for field in self.opts.fields}
        return lookup in filters or lookup.partition("__")[0] not in columns

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[SessionList]:
        return SessionList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[TrackingSession], search_term: str
    ) -> tuple[QuerySet[TrackingSession], bool]:
        """Leave the search to the list, which has to know which index finds what."""
        return queryset, False

    def get_urls(self) -> list[URLPattern]:
        lookup = ZephrLookupView.as_view(model_admin=self)
        dashboard = DashboardView.as_view(model_admin=self)
        view = self.admin_site.admin_view
        return [
            path("export/", view(partial(export, model_admin=self)), name="jay_sessions_export"),
            path("zephr/", view(lookup), name="jay_sessions_zephr_lookup"),
            path("dashboard/", view(dashboard), name="jay_sessions_dashboard"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {
            "may_look_up_zephr": may_look_up(request),
            "may_export": may_export(request),
            "summary": summary_of_today(),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)


def _links() -> bool:
    zephr = conf.get().zephr
    return zephr is not None and zephr.link_sessions


def _linked(session: TrackingSession) -> LinkedZephrSession | None:
    # There is no row before Zephr is asked: the list's join then gives None, a query of its own raises.
    try:
        return session.zephr_session
    except LinkedZephrSession.DoesNotExist:
        return None
