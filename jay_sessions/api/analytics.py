"""What was collected: `tracking/sessions`, the listing, and `tracking/statistics`."""

import dataclasses
import datetime
from typing import Any, ClassVar

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from .. import listing, timeline
from ..buckets import Interval
from ..exceptions import InvalidValue
from ..grants import Scope
from ..identifiers import check_text, clean_playout_id, clean_user_id
from . import next_token, query
from .errors import BadParameter
from .serializers import BucketSerializer, RecordedSessionSerializer
from .views import TrackingView

DEFAULT_LIMIT = 100

FIRST_YEAR = 1973
"""Of the statistics: until 1972 some zones are off by seconds, for which ISO 8601 has no form."""


class SessionListView(TrackingView):
    """`tracking/sessions`: a playout's sessions, newest first."""

    scope = Scope.ANALYTICS
    filters: ClassVar[dict[str, query.Reader]] = {
        "user_id": clean_user_id,
        "provider": check_text,
        "active": query.one_of({"true": True, "false": False}),
        "started_after": query.moment(2),
        "started_before": query.moment(2),
    }
    paging: ClassVar[dict[str, query.Reader]] = {
        "limit": query.number(1, listing.MAX_LIMIT),
        "next_token": check_text,
    }

    def get(self, request: Request, **kwargs: str) -> Response:
        playout_id = self.path_parameter("playout_id", clean_playout_id)
        given = query.read(request, {**self.filters, **self.paging})
        limit, token = given.pop("limit", DEFAULT_LIMIT), given.pop("next_token", None)
        filters = listing.Filters(**_in_utc(given))
        hangs_on = (self.api_key.pk, playout_id, _as_json(filters))
        try:
            after = None if token is None else next_token.read(token, *hangs_on)
        except InvalidValue as error:
            raise BadParameter.of(("query", "next_token"), error) from error
        found, last = listing.page(playout_id, filters, limit, after)
        body: dict[str, Any] = {"data": RecordedSessionSerializer(found, many=True).data}
        if last is not None:
            body["nextToken"] = next_token.write(last, *hangs_on)
        return Response(body)


class StatisticsView(TrackingView):
    """`tracking/statistics`: a playout's sessions and users over time."""

    scope = Scope.ANALYTICS
    parameters: ClassVar[dict[str, query.Reader]] = {
        "from": query.moment(FIRST_YEAR),
        "to": query.moment(FIRST_YEAR),
        "interval": query.one_of({str(interval): interval for interval in Interval}),
        "tz": query.zone,
    }

    def get(self, request: Request, **kwargs: str) -> Response:
        playout_id = self.path_parameter("playout_id", clean_playout_id)
        given = query.read(request, self.parameters)
        interval, zone = given.get("interval", Interval.DAY), given.get("tz", datetime.UTC)
        end = query.in_zone(given["to"], zone) if "to" in given else timezone.now()
        start = query.in_zone(given["from"], zone) if "from" in given else interval.default_start(end, zone)
        try:
            found = timeline.over_time(playout_id, start, end, interval, zone)
        except InvalidValue as error:
            raise BadParameter.of(("query", "from"), error) from error
        return Response({"data": BucketSerializer(found, many=True).data})


def _in_utc(given: dict[str, Any]) -> dict[str, Any]:
    return {
        name: query.in_zone(value, datetime.UTC) if isinstance(value, datetime.datetime) else value
        for name, value in given.items()
    }


def _as_json(filters: listing.Filters) -> list[Any]:
    return [
        value.isoformat() if isinstance(value, datetime.datetime) else value
        for value in dataclasses.astuple(filters)
    ]
