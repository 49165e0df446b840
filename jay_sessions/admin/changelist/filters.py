"""Filters of the session list. An index gives their choices; their periods are ranges of ids."""

import datetime
import enum
from collections.abc import Iterator
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ... import conf
from ...analytics import occurrences
from ...analytics.buckets import start_of_day
from ...analytics.occurrences import EVERYWHERE, Spans
from ...core.identifiers import check_text
from ...exceptions import InvalidValue
from ...models import LinkedZephrSession, TrackingSession, TrackingSessionQuerySet
from ...models.rollups import Dimension
from .strict import Refused

Rows = QuerySet[TrackingSession]
Choices = list[tuple[str, Any]]

FIRST_YEAR, LAST_YEAR = 1971, 9998  # days in these years exist in every zone


class Access(enum.Enum):
    """How the database finds the sessions of a filter."""

    PERIOD = enum.auto()
    """They are a range of ids."""
    INDEX = enum.auto()
    """An index holds them in the order of the ids."""
    DAYS = enum.auto()
    """The numbers of days tell on which days there are some."""
    SCAN = enum.auto()
    """The database looks at each session."""


def _rows(queryset: Rows) -> TrackingSessionQuerySet:
    return cast(TrackingSessionQuerySet, queryset)


class _ValueFilter(admin.SimpleListFilter):
    """The first fifty values of one column."""

    parameter_name: str

    @property
    def column(self) -> str:
        return self.parameter_name

    def has_output(self) -> bool:
        # Django drops a filter without choices, and would ignore the URL's value for it.
        return super().has_output() or self.value() is not None

    def values(self) -> list[str]:
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(value, value) for value in self.values()]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        value = self.value()
        if not value:
            return queryset
        try:
            return self.narrow(_rows(queryset), check_text(value))
        except InvalidValue as error:
            raise Refused(self.parameter_name) from error

    def narrow(self, rows: TrackingSessionQuerySet, value: str) -> Rows:
        return rows.filter(**{self.column: value})


class _CountedFilter(_ValueFilter):
    """A column without an index, but the rollups count its values by day."""

    access = Access.DAYS
    dimension: Dimension

    def values(self) -> list[str]:
        return occurrences.names(self.dimension)

    def spans(self) -> Spans:
        """Return the ranges of ids with all sessions that have the chosen value."""
        value = self.value()
        return occurrences.spans(self.dimension, value) if value else EVERYWHERE


class ProviderFilter(_CountedFilter):
    title = _("provider")
    parameter_name = "provider_name"
    dimension = Dimension.PROVIDER


class SourceFilter(_CountedFilter):
    title = _("source")
    parameter_name = "source"
    dimension = Dimension.SOURCE


class _ZephrFilter(_ValueFilter):
    """A field of the Zephr session that a tracking session is linked to."""

    access = Access.SCAN

    @property
    def column(self) -> str:
        return f"zephr_session__{self.parameter_name.removeprefix('zephr_')}"

    def values(self) -> list[str]:
        return LinkedZephrSession.objects.distinct_values(self.column.removeprefix("zephr_session__"))


class DeviceFilter(_ZephrFilter):
    title = _("device")
    parameter_name = "zephr_device"


class BrowserFilter(_ZephrFilter):
    title = _("browser")
    parameter_name = "zephr_browser"


class SystemFilter(_ZephrFilter):
    title = _("operating system")
    parameter_name = "zephr_os"


class CountryFilter(_ZephrFilter):
    title = _("country")
    parameter_name = "zephr_country"


class ZephrStateFilter(_ZephrFilter):
    title = _("session state at Zephr")
    parameter_name = "zephr_state"


class UserStateFilter(_ZephrFilter):
    title = _("user state at Zephr")
    parameter_name = "zephr_user_state"


ZEPHR_FILTERS = (
    DeviceFilter,
    BrowserFilter,
    SystemFilter,
    CountryFilter,
    ZephrStateFilter,
    UserStateFilter,
)


class _ChoiceFilter(admin.SimpleListFilter):
    """One of a few choices; any other value is refused."""

    parameter_name: str

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        value = self.value()
        if not value:
            return queryset
        if value not in dict(self.lookup_choices):
            raise Refused(self.parameter_name)
        return self.narrow(_rows(queryset), value)

    def narrow(self, rows: TrackingSessionQuerySet, value: str) -> Rows:
        raise NotImplementedError


class StateFilter(_ChoiceFilter):
    title = _("state")
    parameter_name = "state"

    @property
    def access(self) -> Access:
        return Access.INDEX if self.value() == "ended" else Access.SCAN

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        choices = [("active", _("active")), ("ended", _("ended"))]
        if conf.get().expired_until(timezone.now()) is not None:
            choices.append(("expired", _("expired")))
        return choices

    def narrow(self, rows: TrackingSessionQuerySet, value: str) -> Rows:
        if value == "ended":
            return rows.ended()
        limit = conf.get().expired_until(timezone.now())
        return rows.active(limit) if value == "active" else rows.expired(limit)


class UserFilter(_ChoiceFilter):
    title = _("user")
    parameter_name = "user"

    @property
    def access(self) -> Access:
        return Access.INDEX if self.value() == "without" else Access.SCAN

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("with", _("with a user id")), ("without", _("without"))]

    def narrow(self, rows: TrackingSessionQuerySet, value: str) -> Rows:
        return rows.filter(user_id__isnull=value == "without")


class PeriodFilter(_ChoiceFilter):
    """A fixed choice of periods, in the operator's time zone."""

    title = _("start")
    parameter_name = "period"
    access = Access.PERIOD

    PERIODS: ClassVar = {
        "hour": _("past hour"),
        "today": _("today"),
        "yesterday": _("yesterday"),
        "7-days": _("past 7 days"),
        "30-days": _("past 30 days"),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return list(self.PERIODS.items())

    def narrow(self, rows: TrackingSessionQuerySet, value: str) -> Rows:
        if value == "hour":
            return rows.started_from(timezone.now() - datetime.timedelta(hours=1))
        if value == "yesterday":
            return rows.started_from(_days_ago(1)).started_before(_days_ago(0))
        return rows.started_from(_days_ago({"today": 0, "7-days": 6, "30-days": 29}[value]))


class DaysFilter(admin.ListFilter):
    """From one day to another, both included, in the operator's time zone; either may be left out.

    Admin themes expect each filter to have what Django's own filters have: a parameter's name, and
    choices with a link.
    """

    title = _("days")
    template = "admin/jay_sessions/trackingsession/days_filter.html"
    access = Access.PERIOD
    FROM, TO = "from", "to"
    parameter_name = FROM

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.days = {name: params.pop(name, [""])[-1].strip() for name in (self.FROM, self.TO)}

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [*self.days]

    def value(self) -> str | None:
        """Return the days in words; None without a filter."""
        return f"{self.days[self.FROM]} \u2013 {self.days[self.TO]}" if any(self.days.values()) else None

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield the choice that removes the filter, and the chosen days."""
        chosen = self.value()
        anything = changelist.get_query_string(remove=self.expected_parameters())
        yield {"selected": not chosen, "query_string": anything, "display": _("Any day")}
        if chosen:
            yield {"selected": True, "query_string": changelist.get_query_string(), "display": chosen}

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        rows = _rows(queryset)
        if first := self._day(self.FROM):
            rows = rows.started_from(_start_of(first))
        if last := self._day(self.TO):
            rows = rows.started_before(_start_of(last + datetime.timedelta(days=1)))
        return rows

    def _day(self, name: str) -> datetime.date | None:
        if not self.days[name]:
            return None
        try:
            day = datetime.date.fromisoformat(self.days[name])
        except ValueError as error:
            raise Refused(name) from error
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise Refused(name)
        return day


def _start_of(day: datetime.date) -> datetime.datetime:
    return start_of_day(day, timezone.get_current_timezone())


def _days_ago(count: int) -> datetime.datetime:
    return _start_of(timezone.localdate() - datetime.timedelta(days=count))
