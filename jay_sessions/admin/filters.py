"""Filters of the session list. Their choices are read over an index, their periods are ranges of ids."""

import datetime
import enum
from collections.abc import Iterator
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .. import sessions
from ..buckets import start_of_day
from ..exceptions import InvalidValue
from ..identifiers import check_text
from ..models import LinkedZephrSession, TrackingSession
from ..querysets import TrackingSessionQuerySet

Rows = QuerySet[TrackingSession]
Choices = list[tuple[str, Any]]

FIRST_YEAR, LAST_YEAR = 1971, 9998  # what is a day there is one in every zone


class Access(enum.Enum):
    """How the database finds what a filter keeps."""

    PERIOD = enum.auto()
    """It is a range of ids."""
    INDEX = enum.auto()
    """An index has it in the order of the ids."""
    SCAN = enum.auto()
    """By a look at each session."""


def _rows(queryset: Rows) -> TrackingSessionQuerySet:
    return cast(TrackingSessionQuerySet, queryset)


class _ValueFilter(admin.SimpleListFilter):
    """The values of one indexed column; the first fifty of them."""

    parameter_name: str
    access = Access.INDEX

    @property
    def column(self) -> str:
        return self.parameter_name

    def has_output(self) -> bool:
        # Django leaves a filter out that has nothing to offer, and with it what the URL asks for.
        return super().has_output() or self.value() is not None

    def values(self) -> list[str]:
        return TrackingSession.objects.distinct_values(self.column)

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(value, value) for value in self.values()]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        value = self.value()
        if value is None:
            return queryset
        try:
            return self.narrow(_rows(queryset), check_text(value))
        except InvalidValue as error:
            raise IncorrectLookupParameters from error

    def narrow(self, rows: TrackingSessionQuerySet, value: str) -> Rows:
        return rows.with_value(self.column, value)


class ProviderFilter(_ValueFilter):
    title = _("provider")
    parameter_name = "provider_name"


class SourceFilter(_ValueFilter):
    title = _("source")
    parameter_name = "source"


class _ZephrFilter(_ValueFilter):
    """What Zephr said of the session that a tracking session is linked to."""

    access = Access.SCAN

    @property
    def column(self) -> str:
        return f"zephr_session__{self.parameter_name.removeprefix('zephr_')}"

    def values(self) -> list[str]:
        return LinkedZephrSession.objects.distinct_values(self.column.removeprefix("zephr_session__"))

    def narrow(self, rows: TrackingSessionQuerySet, value: str) -> Rows:
        return rows.filter(**{self.column: value})


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


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    @property
    def access(self) -> Access:
        return Access.INDEX if self.value() == "ended" else Access.SCAN

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        choices = [("active", _("active")), ("ended", _("ended"))]
        if sessions.expired_until(timezone.now()) is not None:
            choices.append(("expired", _("expired")))
        return choices

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        rows, limit = _rows(queryset), sessions.expired_until(timezone.now())
        match self.value():
            case "active":
                return rows.active(limit)
            case "ended":
                return rows.ended()
            case "expired":
                return rows.expired(limit)
            case _:
                return queryset


class UserFilter(admin.SimpleListFilter):
    title = _("user")
    parameter_name = "user"

    @property
    def access(self) -> Access:
        return Access.INDEX if self.value() == "without" else Access.SCAN

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("with", _("with a user id")), ("without", _("without"))]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        wanted = {"with": False, "without": True}.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(user_id__isnull=wanted)


class PeriodFilter(admin.SimpleListFilter):
    """A bounded choice of periods, in the operator's time zone."""

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

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        rows = _rows(queryset)
        match self.value():
            case "hour":
                return rows.started_from(timezone.now() - datetime.timedelta(hours=1))
            case "today":
                return rows.started_from(_days_ago(0))
            case "yesterday":
                return rows.started_from(_days_ago(1)).started_before(_days_ago(0))
            case "7-days":
                return rows.started_from(_days_ago(6))
            case "30-days":
                return rows.started_from(_days_ago(29))
            case _:
                return queryset


class DaysFilter(admin.ListFilter):
    """From one day to another, both included, in the operator's time zone; either may be left out."""

    title = _("days")
    template = "admin/jay_sessions/trackingsession/days_filter.html"
    access = Access.PERIOD
    FROM, TO = "from", "to"

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.days = {name: params.pop(name, [""])[-1].strip() for name in (self.FROM, self.TO)}

    def has_output(self) -> bool:
        return True

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Return one thing: the form's values, what it keeps of the query, and the way out of it."""
        yield {
            "days": self.days,
            "kept": {name: text for name, text in changelist.params.items() if name not in self.days},
            "without": changelist.get_query_string(remove=[*self.days]),
        }

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        rows = _rows(queryset)
        if text := self.days[self.FROM]:
            rows = rows.started_from(_start_of(_day(text)))
        if text := self.days[self.TO]:
            rows = rows.started_before(_start_of(_day(text) + datetime.timedelta(days=1)))
        return rows


def _day(text: str) -> datetime.date:
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError as error:
        raise IncorrectLookupParameters from error
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise IncorrectLookupParameters
    return day


def _start_of(day: datetime.date) -> datetime.datetime:
    return start_of_day(day, timezone.get_current_timezone())


def _days_ago(count: int) -> datetime.datetime:
    return _start_of(timezone.localdate() - datetime.timedelta(days=count))
