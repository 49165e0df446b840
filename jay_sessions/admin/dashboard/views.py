"""An admin page with the numbers of sessions and users, and their changes."""

import dataclasses
import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import router
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.generic import View

from ... import conf
from ...analytics import occurrences, statistics
from ...analytics.aggregates import WITH_USERS
from ...analytics.daily_counts import OTHERS
from ...analytics.site_days import today
from ...analytics.statistics import Filters, Metrics
from ...database import clock, replicas
from ...database.errors import translating_errors
from ...exceptions import StoreUnavailable
from ...models import TrackingSession
from ...models.rollups import Dimension, RollupState
from . import cards, charts, links
from .cards import seconds
from .charts import Chart, Plot, Series
from .periods import DAY, DEFAULT, PRESETS, Choice, ChoiceForm, Period
from .scales import Unit, duration, percentage

STALE = datetime.timedelta(hours=1)
"""Older rollups make the page slow, as newer sessions are counted live for each request."""

NOTICEABLE = datetime.timedelta(seconds=2)
"""A replica that is less behind is not worth a word."""


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """A playout or provider among those with the most sessions; `share` of all is in percent."""

    name: str
    sessions: str
    users: str
    share: str
    width: str
    sessions_href: str
    dashboard_href: str


@dataclasses.dataclass(frozen=True, slots=True)
class Top:
    """A table of rows. A dimension without users has no dashboard of its own either."""

    title: str
    head: Any
    rows: list[Row]
    has_users: bool


class DashboardView(View):
    """The whole choice is in the query string, so that a link to a view of it can be shared."""

    http_method_names = ["get", "head", "options"]
    model_admin: Any = None  # as_view() accepts only names of class attributes

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
            with translating_errors():
                context |= _context(self.model_admin.admin_site.name, request.GET)
            if context.get("is_new"):
                context["example"] = _first_session(request)
        except StoreUnavailable:
            context["is_unavailable"], status = True, 503
        return TemplateResponse(request, "admin/jay_sessions/dashboard.html", context, status=status)


def _context(site: str, query: QueryDict) -> dict[str, Any]:
    form = ChoiceForm(query, occurrences.names(Dimension.PROVIDER))
    if not form.is_valid():
        return {"form": form, "presets": _presets(site, Choice(Period.named(DEFAULT), Filters()), None)}
    choice = form.choice()
    return {"form": form, "presets": _presets(site, choice, choice.period), **_numbers(site, choice)}


def summary_of_today(site: str) -> dict[str, Any]:
    """Return the context of `admin/jay_sessions/summary.html`: the numbers of today and yesterday.

    It is empty if the database does not answer. It has no numbers if they would have to be counted live.
    """
    day, text = today(), Unit.COUNT.text
    summary: dict[str, Any] = {"href": links.dashboard(site, Choice(Period.named(DEFAULT), Filters()))}
    try:
        if _is_stale(statistics.rolled_up_until()):
            return summary
        before, now = statistics.by_day(Filters(), day - DAY, day + DAY)
    except StoreUnavailable:
        return {}
    cards = [
        (_("Sessions today"), text(now.sessions), text(before.sessions)),
        (_("Users today"), text(now.users), text(before.users)),
    ]
    return {**summary, "cards": cards}


def _numbers(site: str, choice: Choice) -> dict[str, Any]:
    period, filters = choice.period, choice.filters
    before = statistics.total(filters, period.before.first, period.first)
    now = statistics.total(filters, period.first, period.after)
    until = statistics.rolled_up_until()
    # The charts of a single day would repeat the cards.
    has_charts = now.sessions and period.length > 1
    has_tops = now.sessions and filters.dimension is Dimension.SITE
    return {
        "choice": choice,
        "period": _in_words(period),
        "before": _in_words(period.before),
        "ends_today": period.last == today(),
        "cards": cards.of(now, before),
        "charts": _charts(site, choice) if has_charts else [],
        "is_empty": not now.sessions,
        "tops": _tops(site, choice, now.sessions) if has_tops else [],
        # Without sessions in this period, a query tells whether there are any at all.
        "is_new": not now.sessions and not TrackingSession.objects.exists(),
        "sessions_href": links.sessions(site, choice),
        "site_href": links.dashboard(site, choice.about(Dimension.SITE, "")),
        "behind": _behind(),
        "rolled_up_until": until,
        "is_stale": _is_stale(until),
    }


def _is_stale(until: datetime.datetime | None) -> bool:
    return until is None or clock.now(router.db_for_read(RollupState)) - until > STALE


def _behind() -> str:
    """Return how far the numbers are behind in words; empty if they are not, or by too little to matter."""
    lag = replicas.lag(router.db_for_read(TrackingSession))
    return "" if lag is None or lag < NOTICEABLE else duration(lag.total_seconds())


def _first_session(request: HttpRequest) -> str:
    """Return the URL that creates a first session, for the operator to try; "" if this site has none."""
    try:
        path = reverse("jay_sessions:tracking-session", args=["example-playout"])
    except NoReverseMatch:
        return ""  # the API is served elsewhere
    return request.build_absolute_uri(path)


def _in_words(period: Period) -> str:
    first, last = (date_format(day, "j M Y") for day in (period.first, period.last))
    return first if period.length == 1 else f"{first} \u2013 {last}"


def _presets(site: str, choice: Choice, current: Period | None) -> list[tuple[Any, str, bool]]:
    periods = [Period.named(name) for name in PRESETS]
    return [
        (PRESETS[period.preset][1], links.dashboard(site, choice.within(period)), period == current)
        for period in periods
    ]


def _charts(site: str, choice: Choice) -> list[Chart]:
    count = statistics.by_day if choice.period.step == 1 else statistics.by_week
    now, before = (
        count(choice.filters, period.first, period.after) for period in (choice.period, choice.period.before)
    )
    days = [
        (
            step.first,
            date_format(step.first, "D j M Y") if step.length == 1 else _in_words(step),
            links.sessions(site, choice.within(step)),
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


def _tops(site: str, choice: Choice, sessions: int) -> list[Top]:
    wanted = [(Dimension.PLAYOUT, _("Top playouts")), (Dimension.PROVIDER, _("Top providers"))]
    zephr = conf.get().zephr
    if zephr is not None and zephr.link_sessions:
        wanted += [(Dimension.DEVICE, _("Top devices")), (Dimension.COUNTRY, _("Top countries"))]
    period = choice.period
    tops = []
    for dimension, title in wanted:
        breakdown = statistics.breakdown(dimension, period.first, period.after)
        # For devices and countries, the share is that of the sessions where they are known.
        whole = sessions if dimension in WITH_USERS else sum(metrics.sessions for _name, metrics in breakdown)
        rows = [_row(site, choice.about(dimension, name), metrics, whole) for name, metrics in breakdown]
        tops.append(Top(title, dimension.label, rows, dimension in WITH_USERS))
    return tops


def _row(site: str, choice: Choice, metrics: Metrics, sessions: int) -> Row:
    share, name = 100 * metrics.sessions / sessions, choice.filters.name
    are_others = name == OTHERS
    return Row(
        name=_("others") if are_others else name,
        sessions=Unit.COUNT.text(metrics.sessions),
        # They are not known of many names together.
        users="" if are_others else Unit.COUNT.text(metrics.users),
        share=percentage(share, 1),
        width=f"{min(share, 100):.2f}%",
        sessions_href="" if are_others else links.sessions(site, choice),
        dashboard_href="" if are_others else links.dashboard(site, choice),
    )
