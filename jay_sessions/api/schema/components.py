"""The objects of the OpenAPI document, written by hand from the reference pages; see `extensions.py`."""

from collections.abc import Mapping
from typing import Any

from ...core.identifiers import MAX_LENGTH
from ..parsers import USER_ID

Schema = dict[str, Any]

ERROR_CODES = [
    *range(1001, 1015),
    *range(2001, 2007),
    2008,
    *range(2012, 2026),
    *range(3000, 3008),
    *(4001, 4002),
    *range(5001, 5005),
    *(200, 201, 202, 204),
    *(400, 401, 403, 404, 405, 406, 422, 423),
    *(501, 503),
]
"""Every `error.code` in the reference, in its order."""

SAMPLE_HEADER = (
    "eyJzZXNzaW9uX2lkIjoiZXhhbXBsZS1zZXNzaW9uLWlkLTEyMzQiLCJzdGFydF90aW1lIjoiMjAyNS0wMS0wMVQxMjow"
    "MDowMC4wMDAwMDAiLCJzb3VyY2UiOiJqYXkuYXBpLnBsYXlvdXQuZXhhbXBsZSJ9"
)
SAMPLE_SESSION = {
    "sessionId": "550e8400-e29b-41d4-a716-446655440000",
    "startTime": "2023-01-15T14:30:24.123456",
    "source": "jay.api.playout.1.0.0",
    "userId": "user-123456",
    "providerName": "netflix",
}
SAMPLE_BUCKET = {"start": "2025-09-02T00:00:00+02:00", "sessions": 1200, "users": 800}

# The rule of `identifiers.check_text`; the ranges are in a form that every regex dialect reads.
TEXT: Schema = {"type": "string", "maxLength": MAX_LENGTH, "pattern": r"^[^\x00-\x1f\x7f-\x9f]*$"}
# A slash would end the segment, and a client resolves a dot segment before it sends the request.
SEGMENT: Schema = {**TEXT, "minLength": 1, "pattern": r"^[^\x00-\x1f\x7f-\x9f/]+$"}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def string(description: str = "", example: Any = None, **more: Any) -> Schema:
    return typed("string", description, example, **more)


def typed(kind: str, description: str = "", example: Any = None, **more: Any) -> Schema:
    schema: Schema = {"type": kind, **more}
    if description:
        schema["description"] = description
    if example is not None:
        schema["example"] = example
    return schema


def json_object(properties: Mapping[str, Schema], *required: str, **more: Any) -> Schema:
    schema = {"type": "object", "properties": dict(properties), **more}
    return {**schema, "required": list(required)} if required else schema


def array(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


ENVELOPE: dict[str, Schema] = {
    "nextToken": string("The token, which can be used to retrieve the next page of data."),
    "error": ref("JayError"),
}

_UTC_TIME = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}$"
_SESSION: dict[str, Schema] = {
    "sessionId": string("Unique identifier for the tracking session", SAMPLE_SESSION["sessionId"]),
    "startTime": string(
        "ISO 8601 formatted timestamp of when the session started, in UTC",
        SAMPLE_SESSION["startTime"],
        pattern=_UTC_TIME,
    ),
    "source": string(
        "Identifier of the system or API version that created this session",
        SAMPLE_SESSION["source"],
    ),
    "userId": string("Optional identifier to track users across multiple sessions", SAMPLE_SESSION["userId"]),
    "providerName": string(
        "Name of the content provider, automatically extracted from the playout path",
        SAMPLE_SESSION["providerName"],
    ),
}
_REQUIRED_OF_SESSION = ("sessionId", "startTime", "source")

COMPONENTS: dict[str, Schema] = {
    "JayTrackingSession": json_object(_SESSION, *_REQUIRED_OF_SESSION, example=SAMPLE_SESSION),
    "JayRecordedSession": json_object(
        {
            **_SESSION,
            "playoutId": string("What was played.", "netflix-de:s01e01"),
            "endedAt": string("When a client ended it, in UTC", pattern=_UTC_TIME),
        },
        *_REQUIRED_OF_SESSION,
        "playoutId",
    ),
    "JaySessionListAnswer": json_object({"data": array(ref("JayRecordedSession")), **ENVELOPE}, "data"),
    "JayBucket": json_object(
        {
            "start": string(
                "The start of the hour or day, with the time zone's offset at that time.", format="date-time"
            ),
            "sessions": typed("integer", "Sessions that started in it.", minimum=0),
            "users": typed("integer", "Distinct users of these sessions.", minimum=0),
        },
        *SAMPLE_BUCKET,
        example=SAMPLE_BUCKET,
    ),
    "JayStatisticsAnswer": json_object({"data": array(ref("JayBucket")), **ENVELOPE}, "data"),
    "JayTrackingSessionAnswer": json_object({"data": ref("JayTrackingSession"), **ENVELOPE}, "data"),
    "JayMessage": json_object({"message": string("The result.")}, "message"),
    "JayMessageAnswer": json_object({"data": ref("JayMessage"), **ENVELOPE}, "data"),
    "JayErrorCode": typed("integer", "The API error code", 1001, enum=ERROR_CODES),
    "JayError": json_object(
        {
            "code": ref("JayErrorCode"),
            "message": string("The API error message."),
            "details": {"description": "The HTTP error details."},
        },
        "code",
        "message",
        description="Details of the error; only there when the request results in one.",
    ),
    "JayErrorAnswer": json_object({"data": {"type": "object"}, **ENVELOPE}, "error"),
    "JayProblem": json_object(
        {
            "loc": array({"type": "string"}, example=["query", USER_ID]),
            "msg": string("A sentence for people."),
            "type": string("A stable word for programs.", "string_too_long"),
        },
        "loc",
        "msg",
        "type",
    ),
    "JayProblemsAnswer": json_object({"detail": array(ref("JayProblem"))}, "detail"),
    "JayStartSession": json_object({USER_ID: {**TEXT, "example": SAMPLE_SESSION["userId"]}}),
}
