"""Views of the collected sessions: `tracking/sessions` lists them, `tracking/statistics` counts them."""

import dataclasses
import datetime
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from django.db import router
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from ...analytics import listing, timeseries
from ...analytics.buckets import Interval
from ...core.identifiers import check_text, clean_playout_id, clean_user_id
from ...database.attempts import LONG
from ...database.leases import Purpose
from ...database.queries import ask
from ...exceptions import InvalidValue
from ...models import TrackingSession
from ...models.grants import Scope
from .. import pagination, query_parameters
from ..errors import BadParameter
from ..query_parameters import in_zone
from ..serializers import BucketSerializer, RecordedSessionSerializer
from .tracking_sessions import TrackingView

T = TypeVar("T")

DEFAULT_LIMIT = 100

FIRST_YEAR = 1973
"""First year of the statistics: until 1972 some zones' offsets have seconds, which ISO 8601 cannot write."""


class SessionListView(TrackingView):
    """`tracking/sessions`: a playout's sessions, newest first."""

    scope = Scope.ANALYTICS
    filters: ClassVar[dict[str, query_parameters.Reader]] = {
        "user_id": clean_user_id,
        "provider": check_text,
        "active": query_parameters.one_of({"true": True, "false": False}),
        "started_after": query_parameters.moment(2),
        "started_before": query_parameters.moment(2),
    }
    paging: ClassVar[dict[str, query_parameters.Reader]] = {
        "limit": query_parameters.number(1, listing.MAX_LIMIT),
        "next_token": check_text,
    }

    def get(self, request: Request, **kwargs: str) -> Response:
        playout_id = self.path_parameter("playout_id", clean_playout_id)
        given = query_parameters.read(request, {**self.filters, **self.paging})
        limit, token = given.pop("limit", DEFAULT_LIMIT), given.pop("next_token", None)
        filters = listing.SessionFilters(**_in_utc(given))
        bound_to = (self.api_key.pk, playout_id, _as_json(filters))
        try:
            after = None if token is None else pagination.read(token, *bound_to)
        except InvalidValue as error:
            raise BadParameter.of(("query", "next_token"), error) from error
        sessions, last = _asked(lambda: listing.page(playout_id, filters, limit, after))
        body: dict[str, Any] = {"data": RecordedSessionSerializer(sessions, many=True).data}
        if last is not None:
            body["nextToken"] = pagination.write(last, *bound_to)
        return Response(body)


class StatisticsView(TrackingView):
    """`tracking/statistics`: a playout's sessions and users over time."""

    scope = Scope.ANALYTICS
    parameters: ClassVar[dict[str, query_parameters.Reader]] = {
        "from": query_parameters.moment(FIRST_YEAR),
        "to": query_parameters.moment(FIRST_YEAR),
        "interval": query_parameters.one_of({str(interval): interval for interval in Interval}),
        "tz": query_parameters.zone,
    }

    def get(self, request: Request, **kwargs: str) -> Response:
        playout_id = self.path_parameter("playout_id", clean_playout_id)
        given = query_parameters.read(request, self.parameters)
        interval, zone = given.get("interval", Interval.DAY), given.get("tz", datetime.UTC)
        end = in_zone(given["to"], zone) if "to" in given else timezone.now()
        start = in_zone(given["from"], zone) if "from" in given else interval.default_start(end, zone)
        try:
            buckets = _asked(lambda: timeseries.timeseries(playout_id, start, end, interval, zone))
        except InvalidValue as error:
            raise BadParameter.of(("query", "from"), error) from error
        return Response({"data": BucketSerializer(buckets, many=True).data})


def _asked(use: Callable[[], T]) -> T:
    alias = router.db_for_read(TrackingSession)
    return ask(alias, lambda again: use(), seconds=LONG, purpose=Purpose.ANALYTICS)


def _in_utc(given: dict[str, Any]) -> dict[str, Any]:
    return {
        name: in_zone(value, datetime.UTC) if isinstance(value, datetime.datetime) else value
        for name, value in given.items()
    }


def _as_json(filters: listing.SessionFilters) -> list[Any]:
    return [
        value.isoformat() if isinstance(value, datetime.datetime) else value
        for value in dataclasses.astuple(filters)
    ]
