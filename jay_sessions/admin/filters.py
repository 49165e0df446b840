"""Filters of the session list. Their choices are read over an index, their periods are ranges of ids."""

import datetime
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .. import sessions
from ..exceptions import InvalidValue
from ..identifiers import check_text
from ..models import LinkedZephrSession, TrackingSession
from ..querysets import TrackingSessionQuerySet

Rows = QuerySet[TrackingSession]
Choices = list[tuple[str, Any]]


def _rows(queryset: Rows) -> TrackingSessionQuerySet:
    return cast(TrackingSessionQuerySet, queryset)


class _ValueFilter(admin.SimpleListFilter):
    """The values of one indexed column; the first fifty of them."""

    parameter_name: str

    @property
    def column(self) -> str:
        return self.parameter_name

    def values(self) -> list[str]:
        return TrackingSession.objects.distinct_values(self.column)

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(value, value) for value in self.values()]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        value = self.value()
        if value is None:
            return queryset
        try:
            return queryset.filter(**{self.column: check_text(value)})
        except InvalidValue as error:
            raise IncorrectLookupParameters from error


class ProviderFilter(_ValueFilter):
    title = _("provider")
    parameter_name = "provider_name"


class SourceFilter(_ValueFilter):
    title = _("source")
    parameter_name = "source"


class _ZephrFilter(_ValueFilter):
    """What Zephr said of the session that a tracking session is linked to."""

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


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

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

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("with", _("with a user id")), ("without", _("without"))]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        wanted = {"with": False, "without": True}.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(user_id__isnull=wanted)


class PeriodFilter(admin.SimpleListFilter):
    """A bounded choice of periods, in the operator's time zone."""

    title = _("start")
    parameter_name = "period"

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
        rows, now = _rows(queryset), timezone.localtime()
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        match self.value():
            case "hour":
                return rows.started_from(now - datetime.timedelta(hours=1))
            case "today":
                return rows.started_from(today)
            case "yesterday":
                return rows.started_from(today - datetime.timedelta(days=1)).started_before(today)
            case "7-days":
                return rows.started_from(today - datetime.timedelta(days=6))
            case "30-days":
                return rows.started_from(today - datetime.timedelta(days=29))
            case _:
                return queryset
