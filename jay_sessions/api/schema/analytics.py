"""Operations of the OpenAPI document that read the collected sessions."""

from rest_framework import exceptions as drf
from rest_framework.views import APIView

from ...analytics.buckets import MAX_BUCKETS, Interval
from ...analytics.listing import MAX_LIMIT
from ..views.analytics import DEFAULT_LIMIT
from .components import SAMPLE_BUCKET, SAMPLE_SESSION, TEXT, Schema, ref, string, typed
from .parts import ALWAYS, API_VERSION_PARAMETER, PLAYOUT_PARAMETER, error_answers, parameter, success

_MOMENT = string(example="2025-09-02T12:00:00Z", format="date-time")


def listing(view: APIView, headers: Schema) -> Schema:
    """Return the operation of `tracking/sessions`."""
    row = {**SAMPLE_SESSION, "playoutId": "netflix-de:s01e01", "endedAt": "2023-01-15T15:00:00.000000"}
    page = {"data": [row], "nextToken": "01990a4c5a7b774b8000000000000001.Zm9yIGV4YW1wbGU"}
    return {
        "operationId": "list_tracking_sessions",
        "summary": "List tracking sessions",
        "description": "Returns the playout's sessions, newest first. If there are more, send "
        "`nextToken` as `next_token` to get the next page, with the same key and filters.",
        "parameters": [
            PLAYOUT_PARAMETER,
            API_VERSION_PARAMETER,
            parameter("query", "user_id", TEXT, "Only sessions of this user."),
            parameter("query", "provider", TEXT, "Only sessions of this provider."),
            parameter(
                "query",
                "active",
                string(enum=["true", "false"]),
                "`true`: only active sessions, neither ended nor expired. `false`: only the others.",
            ),
            parameter(
                "query", "started_after", _MOMENT, "Only sessions that started at this time (UTC) or later."
            ),
            parameter(
                "query", "started_before", _MOMENT, "Only sessions that started before this time (UTC)."
            ),
            parameter(
                "query",
                "limit",
                typed("integer", minimum=1, maximum=MAX_LIMIT, default=DEFAULT_LIMIT),
                "The maximum number of sessions on a page.",
            ),
            parameter("query", "next_token", {"type": "string"}, "The `nextToken` of the previous page."),
        ],
        "responses": {
            "200": success(ref("JaySessionListAnswer"), {"page": page}, headers, "A page of sessions."),
            **error_answers([*ALWAYS, drf.NotAcceptable], view, headers),
        },
    }


def statistics(view: APIView, headers: Schema) -> Schema:
    """Return the operation of `tracking/statistics`."""
    interval = string(enum=[str(interval) for interval in Interval], default=str(Interval.DAY))
    return {
        "operationId": "read_tracking_statistics",
        "summary": "Count tracking sessions and users over time",
        "description": "Counts by hour or day in a time zone, including hours and days without "
        f"sessions. Without `from`, the range is {Interval.DAY.shown} days or {Interval.HOUR.shown} "
        f"hours long. A range has at most {MAX_BUCKETS:,} hours or days.",
        "parameters": [
            PLAYOUT_PARAMETER,
            API_VERSION_PARAMETER,
            parameter(
                "query",
                "from",
                _MOMENT,
                "The start of the range, inclusive. A time without an offset is in `tz`.",
            ),
            parameter("query", "to", _MOMENT, "The end of the range, exclusive. Default: now."),
            parameter("query", "interval", interval, "Count by hour or by day."),
            parameter(
                "query",
                "tz",
                string(example="Europe/Berlin", default="UTC"),
                "The IANA time zone of the hours and days.",
            ),
        ],
        "responses": {
            "200": success(
                ref("JayStatisticsAnswer"), {"days": {"data": [SAMPLE_BUCKET]}}, headers, "The numbers."
            ),
            **error_answers([*ALWAYS, drf.NotAcceptable], view, headers),
        },
    }
