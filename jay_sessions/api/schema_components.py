"""The objects of the OpenAPI document, written down from the reference pages; see `schema.py`."""

from collections.abc import Mapping
from typing import Any

from ..identifiers import MAX_LENGTH
from ..zephr.session import State
from .parsers import USER_ID

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
"""Every `error.code` that the reference enumerates, in its order."""

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

# As `identifiers.check_text` has it; ranges in a form that every dialect of patterns reads.
TEXT: Schema = {"type": "string", "maxLength": MAX_LENGTH, "pattern": r"^[^\x00-\x1f\x7f-\x9f]*$"}
# A slash would end the segment, and a dot segment is resolved before the request is sent.
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
            "start": string("When the hour or day begins, with the zone's offset.", format="date-time"),
            "sessions": typed("integer", "Sessions that started in it.", minimum=0),
            "users": typed("integer", "Distinct users of these sessions.", minimum=0),
        },
        *SAMPLE_BUCKET,
        example=SAMPLE_BUCKET,
    ),
    "JayStatisticsAnswer": json_object({"data": array(ref("JayBucket")), **ENVELOPE}, "data"),
    "JayTrackingSessionAnswer": json_object({"data": ref("JayTrackingSession"), **ENVELOPE}, "data"),
    "JayMessage": json_object({"message": string("What was done.")}, "message"),
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
    "ZephrState": string("How well Zephr knows who uses a device.", enum=[state.value for state in State]),
    "ZephrDeviceSession": json_object(
        {
            "supplied": typed("boolean"),
            "expiryDate": string(example="2025-02-08 14:29 PM UTC"),
            "startDate": string(example="2024-02-08 14:29 PM UTC"),
            "state": ref("ZephrState"),
            "device": string(example="pc"),
            "browser": string(example="Chrome"),
            "os": string(example="Mac OSX"),
            "city": string(example="London"),
            "geoState": string(example="London"),
            "deviceName": string(example="Apple Macintosh"),
            "country": string("ISO-3166-2 country code", "GB"),
            "session_id": string(example="26a73b7a-f7d0-48d8-85dd-a04b07313895"),
        }
    ),
    "ZephrEntitlement": json_object(
        {
            "id": string(example="0123456789ABCD"),
            "direct": typed("boolean", example=True),
            "meteredBy": array({}, example=[]),
            "creditedBy": array({}, example=[]),
        }
    ),
    "ZephrAccessModel": json_object(
        {
            "meters": typed("object"),
            "credits": typed("object"),
            "delivered_entitlements": array(ref("ZephrEntitlement")),
            "granted_bundles": array({}, example=["e10a5ff3-fc63-47fb-af04-75c2ec3fdf1c"]),
            "jwt_bundles": array({}, example=[]),
            "user_state": string(example="registered"),
        }
    ),
    "ZephrSession": json_object(
        {
            "tenantId": string(example="company"),
            "subTenantId": string(example="company|demo"),
            "authenticated": typed("boolean", example=True),
            "v": typed("integer", "version"),
            "session_variables": typed("object"),
            "user_id": string(example="UU0123456789ABCD"),
            "sessions": array(ref("ZephrDeviceSession")),
            "access_model": ref("ZephrAccessModel"),
            "last_updated": typed(
                "integer",
                "A timestamp indicating the last update of the session, in milliseconds since the epoch.",
                1707230240685,
            ),
            "test_groups": typed("object"),
            "second_party_data": typed("object"),
        },
        description="As Zephr sends it; fields that are not named here are kept.",
    ),
}
