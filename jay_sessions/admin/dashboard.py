"""A page of the admin that shows how many sessions and users there are, and how that changes."""

import dataclasses
import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.generic import View

from .. import conf, statistics
from ..daily import WITH_USERS
from ..exceptions import StoreUnavailable
from ..models import TrackingSession
from ..rollup_models import Kind
from ..site_days import today
from ..statistics import Measures, Subject
from ..store import available
from . import cards, charts, links
from .cards import seconds
from .charts import Chart, Plot, Series
from .periods import DAY, DEFAULT, PRESETS, Choice, ChoiceForm, Period
from .scales import Unit, percentage

STALE = datetime.timedelta(hours=1)
"""Rollups that are older make the page slow, as what is later is counted for each request."""


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """A playout or provider among those with the most sessions; `share` of all is a percentage."""

    name: str
    sessions: str
    users: str
    share: str
    width: str
    sessions_href: str
    dashboard_href: str


@dataclasses.dataclass(frozen=True, slots=True)
class Top:
    """A table of rows; what has no users has no dashboard of its own either."""

    title: str
    head: Any
    rows: list[Row]
    has_users: bool


class DashboardView(View):
    """Everything it is asked for stands in the query string, so that a view of it can be shared."""

    http_method_names = ["get", "head", "options"]
    model_admin: Any = None  # as_view() takes only what the class names

    def get(self, request: HttpRequest) -> HttpResponseBase:
        if not self.model_admin.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.model_admin.admin_site.each_context(request),
            "opts": self.model_admin.opts,
            "title": _("Dashboard"),
        }
        status = 200
        try:
            with available():
                context |= _found(request.GET)
            if context.get("is_new"):
                context["example"] = _first_session(request)
        except StoreUnavailable:
            context["is_unavailable"], status = True, 503
        return TemplateResponse(request, "admin/jay_sessions/dashboard.html", context, status=status)


def _found(query: QueryDict) -> dict[str, Any]:
    form = ChoiceForm(query, TrackingSession.objects.distinct_values("provider_name"))
    if not form.is_valid():
        return {"form": form, "presets": _presets(Choice(Period.named(DEFAULT), Subject()), None)}
    choice = form.choice()
    return {"form": form, "presets": _presets(choice, choice.period), **_numbers(choice)}


def summary_of_today() -> dict[str, Any]:
    """Return the context of `admin/jay_sessions/summary.html`: today's numbers beside yesterday's.

    It is empty where the database is away, and has no numbers where they would have to be counted.
    """
    day, text = today(), Unit.COUNT.text
    summary: dict[str, Any] = {"href": links.dashboard(Choice(Period.named(DEFAULT), Subject()))}
    try:
        if _is_stale(statistics.rolled_up_until()):
            return summary
        before, now = statistics.by_day(Subject(), day - DAY, day + DAY)
    except StoreUnavailable:
        return {}
    cards = [
        (_("Sessions today"), text(now.sessions), text(before.sessions)),
        (_("Users today"), text(now.users), text(before.users)),
    ]
    return {**summary, "cards": cards}


def _numbers(choice: Choice) -> dict[str, Any]:
    period, subject = choice.period, choice.subject
    before = statistics.total(subject, period.before.first, period.first)
    now = statistics.total(subject, period.first, period.after)
    until = statistics.rolled_up_until()
    # A single day's charts would say what the cards say.
    has_charts = now.sessions and period.length > 1
    return {
        "choice": choice,
        "period": _in_words(period),
        "before": _in_words(period.before),
        "ends_today": period.last == today(),
        "cards": cards.of(now, before),
        "charts": _charts(choice) if has_charts else [],
        "is_empty": not now.sessions,
        "tops": _tops(choice, now.sessions) if now.sessions and subject.kind is Kind.SITE else [],
        # Only then a query: whether there is nothing at all, or nothing in this period.
        "is_new": not now.sessions and not TrackingSession.objects.exists(),
        "sessions_href": links.sessions(choice),
        "site_href": links.dashboard(choice.about(Kind.SITE, "")),
        "rolled_up_until": until,
        "is_stale": _is_stale(until),
    }


def _is_stale(until: datetime.datetime | None) -> bool:
    return until is None or timezone.now() - until > STALE


def _first_session(request: HttpRequest) -> str:
    """Return the address at which a first session is made, for the operator to try."""
    try:
        path = reverse("jay_sessions:tracking-session", args=["example-playout"])
    except NoReverseMatch:
        return ""  # the API is served elsewhere
    return request.build_absolute_uri(path)


def _in_words(period: Period) -> str:
    first, last = (date_format(day, "j M Y") for day in (period.first, period.last))
    return first if period.length == 1 else f"{first} \u2013 {last}"


def _presets(choice: Choice, current: Period | None) -> list[tuple[Any, str, bool]]:
    periods = [Period.named(name) for name in PRESETS]
    return [
        (PRESETS[period.preset][1], links.dashboard(choice.within(period)), period == current)
        for period in periods
    ]


def _charts(choice: Choice) -> list[Chart]:
    count = statistics.by_day if choice.period.step == 1 else statistics.by_week
    now, before = (
        count(choice.subject, period.first, period.after) for period in (choice.period, choice.period.before)
    )
    days = [
        (
            step.first,
            date_format(step.first, "D j M Y") if step.length == 1 else _in_words(step),
            links.sessions(choice.within(step)),
        )
        for step in choice.period.steps
    ]
    visits = [
        Series(_("Sessions"), [day.sessions for day in now], "jay-a"),
        Series(_("Users"), [day.users for day in now], "jay-b"),
        Series(_("Sessions, previous period"), [day.sessions for day in before], "jay-a jay-before"),
        Series(_("Users, previous period"), [day.users for day in before], "jay-b jay-before"),
    ]
    users = [
        Series(_("Returning users"), [day.returning_users for day in now], "jay-a"),
        Series(_("New users"), [day.new_users for day in now], "jay-b"),
    ]
    durations = [
        Series(_("Mean duration"), [seconds(day) for day in now], "jay-a"),
        Series(_("Previous period"), [seconds(day) for day in before], "jay-a jay-before"),
    ]
    titles = _titles(choice.period)
    return [
        charts.lines(Plot("sessions", titles[0], Unit.COUNT, days, visits)),
        charts.bars(Plot("users", titles[1], Unit.COUNT, days, users)),
        charts.lines(Plot("duration", titles[2], Unit.SECONDS, days, durations)),
    ]


def _titles(period: Period) -> tuple[str, str, str]:
    if period.step == 1:
        return (
            _("Sessions and users by day"),
            _("Returning and new users by day"),
            _("Mean duration by day"),
        )
    return (
        _("Sessions and users by week"),
        _("Returning and new users by week"),
        _("Mean duration by week"),
    )


def _tops(choice: Choice, sessions: int) -> list[Top]:
    wanted = [(Kind.PLAYOUT, _("Top playouts")), (Kind.PROVIDER, _("Top providers"))]
    zephr = conf.get().zephr
    if zephr is not None and zephr.link_sessions:
        wanted += [(Kind.DEVICE, _("Top devices")), (Kind.COUNTRY, _("Top countries"))]
    period = choice.period
    tops = []
    for kind, title in wanted:
        found = statistics.top(kind, period.first, period.after)
        # Of devices and countries, the share is that of the sessions of which they are known.
        whole = sessions if kind in WITH_USERS else sum(measures.sessions for _name, measures in found)
        rows = [_row(choice.about(kind, name), measures, whole) for name, measures in found]
        tops.append(Top(title, kind.label, rows, kind in WITH_USERS))
    return tops


def _row(choice: Choice, measures: Measures, sessions: int) -> Row:
    share = 100 * measures.sessions / sessions
    return Row(
        name=choice.subject.name,
        sessions=Unit.COUNT.text(measures.sessions),
        users=Unit.COUNT.text(measures.users),
        share=percentage(share, 1),
        width=f"{min(share, 100):.2f}%",
        sessions_href=links.sessions(choice),
        dashboard_href=links.dashboard(choice),
    )
