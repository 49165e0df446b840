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
from ..models import TrackingSession, TrackingSessionQuerySet

Rows = QuerySet[TrackingSession]
Choices = list[tuple[str, Any]]


def _rows(queryset: Rows) -> TrackingSessionQuerySet:
    return cast(TrackingSessionQuerySet, queryset)


class _ValueFilter(admin.SimpleListFilter):
    """The values of one indexed column; the first fifty of them."""

    parameter_name: str

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        values = TrackingSession.objects.distinct_values(self.parameter_name)
        return [(value, value) for value in values]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        value = self.value()
        if value is None:
            return queryset
        try:
            return queryset.filter(**{self.parameter_name: check_text(value)})
        except InvalidValue as error:
            raise IncorrectLookupParameters from error


class ProviderFilter(_ValueFilter):
    title = _("provider")
    parameter_name = "provider_name"


class SourceFilter(_ValueFilter):
    title = _("source")
    parameter_name = "source"


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
