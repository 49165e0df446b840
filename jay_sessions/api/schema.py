"""The contract as an OpenAPI document, for sites that have drf-spectacular installed.

Nothing imports this where `drf_spectacular` is not among INSTALLED_APPS. Where it is, drf-spectacular
finds the extensions below by the class paths of the views, whatever the site's `REST_FRAMEWORK` says.
The contract is fixed, so the operations are written down here rather than guessed from code; what the
code already has as a table (statuses, codes, words, limits) is taken from there.
"""

import copy
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiViewExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent
from rest_framework import exceptions as drf
from rest_framework.views import APIView

from .. import carriers, conf
from .. import exceptions as ours
from ..identifiers import MAX_LENGTH
from ..zephr.session import State
from .authentication import HEADER as KEY_HEADER
from .base import API_VERSION, VERSION_HEADER, JayView
from .errors import TABLE, BadParameter, BodyTooLarge
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

# As `identifiers.check_text` has it; ranges in a form that every dialect of patterns reads.
_TEXT: Schema = {"type": "string", "maxLength": MAX_LENGTH, "pattern": r"^[^\x00-\x1f\x7f-\x9f]*$"}
# A slash would end the segment, and a dot segment is resolved before the request is sent.
_SEGMENT: Schema = {**_TEXT, "minLength": 1, "pattern": r"^[^\x00-\x1f\x7f-\x9f/]+$"}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _string(description: str = "", example: Any = None, **more: Any) -> Schema:
    return _typed("string", description, example, **more)


def _typed(kind: str, description: str = "", example: Any = None, **more: Any) -> Schema:
    schema: Schema = {"type": kind, **more}
    if description:
        schema["description"] = description
    if example is not None:
        schema["example"] = example
    return schema


def _object(properties: Mapping[str, Schema], *required: str, **more: Any) -> Schema:
    schema = {"type": "object", "properties": dict(properties), **more}
    return {**schema, "required": list(required)} if required else schema


def _array(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


_ENVELOPE: dict[str, Schema] = {
    "nextToken": _string("The token, which can be used to retrieve the next page of data."),
    "error": _ref("JayError"),
}

COMPONENTS: dict[str, Schema] = {
    "JayTrackingSession": _object(
        {
            "sessionId": _string("Unique identifier for the tracking session", SAMPLE_SESSION["sessionId"]),
            "startTime": _string(
                "ISO 8601 formatted timestamp of when the session started, in UTC",
                SAMPLE_SESSION["startTime"],
                pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}$",
            ),
            "source": _string(
                "Identifier of the system or API version that created this session",
                SAMPLE_SESSION["source"],
            ),
            "userId": _string(
                "Optional identifier to track users across multiple sessions", SAMPLE_SESSION["userId"]
            ),
            "providerName": _string(
                "Name of the content provider, automatically extracted from the playout path",
                SAMPLE_SESSION["providerName"],
            ),
        },
        "sessionId",
        "startTime",
        "source",
        example=SAMPLE_SESSION,
    ),
    "JayTrackingSessionAnswer": _object({"data": _ref("JayTrackingSession"), **_ENVELOPE}, "data"),
    "JayMessage": _object({"message": _string("What was done.")}, "message"),
    "JayMessageAnswer": _object({"data": _ref("JayMessage"), **_ENVELOPE}, "data"),
    "JayErrorCode": _typed("integer", "The API error code", 1001, enum=ERROR_CODES),
    "JayError": _object(
        {
            "code": _ref("JayErrorCode"),
            "message": _string("The API error message."),
            "details": {"description": "The HTTP error details."},
        },
        "code",
        "message",
        description="Details of the error; only there when the request results in one.",
    ),
    "JayErrorAnswer": _object({"data": {"type": "object"}, **_ENVELOPE}, "error"),
    "JayProblem": _object(
        {
            "loc": _array({"type": "string"}, example=["query", USER_ID]),
            "msg": _string("A sentence for people."),
            "type": _string("A stable word for programs.", "string_too_long"),
        },
        "loc",
        "msg",
        "type",
    ),
    "JayProblemsAnswer": _object({"detail": _array(_ref("JayProblem"))}, "detail"),
    "JayStartSession": _object({USER_ID: {**_TEXT, "example": SAMPLE_SESSION["userId"]}}),
    "ZephrState": _string("How well Zephr knows who uses a device.", enum=[state.value for state in State]),
    "ZephrDeviceSession": _object(
        {
            "supplied": _typed("boolean"),
            "expiryDate": _string(example="2025-02-08 14:29 PM UTC"),
            "startDate": _string(example="2024-02-08 14:29 PM UTC"),
            "state": _ref("ZephrState"),
            "device": _string(example="pc"),
            "browser": _string(example="Chrome"),
            "os": _string(example="Mac OSX"),
            "city": _string(example="London"),
            "geoState": _string(example="London"),
            "deviceName": _string(example="Apple Macintosh"),
            "country": _string("ISO-3166-2 country code", "GB"),
            "session_id": _string(example="26a73b7a-f7d0-48d8-85dd-a04b07313895"),
        }
    ),
    "ZephrEntitlement": _object(
        {
            "id": _string(example="0123456789ABCD"),
            "direct": _typed("boolean", example=True),
            "meteredBy": _array({}, example=[]),
            "creditedBy": _array({}, example=[]),
        }
    ),
    "ZephrAccessModel": _object(
        {
            "meters": _typed("object"),
            "credits": _typed("object"),
            "delivered_entitlements": _array(_ref("ZephrEntitlement")),
            "granted_bundles": _array({}, example=["e10a5ff3-fc63-47fb-af04-75c2ec3fdf1c"]),
            "jwt_bundles": _array({}, example=[]),
            "user_state": _string(example="registered"),
        }
    ),
    "ZephrSession": _object(
        {
            "tenantId": _string(example="company"),
            "subTenantId": _string(example="company|demo"),
            "authenticated": _typed("boolean", example=True),
            "v": _typed("integer", "version"),
            "session_variables": _typed("object"),
            "user_id": _string(example="UU0123456789ABCD"),
            "sessions": _array(_ref("ZephrDeviceSession")),
            "access_model": _ref("ZephrAccessModel"),
            "last_updated": _typed(
                "integer",
                "A timestamp indicating the last update of the session, in milliseconds since the epoch.",
                1707230240685,
            ),
            "test_groups": _typed("object"),
            "second_party_data": _typed("object"),
        },
        description="As Zephr sends it; fields that are not named here are kept.",
    ),
}


def _parameter(place: str, name: str, schema: Schema, description: str, **more: Any) -> Schema:
    parameter = {"in": place, "name": name, "schema": schema, "description": description, **more}
    return {**parameter, "required": True} if place == "path" else parameter


def _header(description: str, schema: Schema | None = None) -> Schema:
    return {"description": description, "required": True, "schema": schema or {"type": "string"}}


_CACHE_CONTROL = {"Cache-Control": _header("Never to be stored.", _string(enum=["no-store"]))}
_VERSION = {VERSION_HEADER: _header("The version that the answer follows.", _string(enum=[API_VERSION]))}
_TOKEN = {
    carriers.HEADER: _header("The token, for clients without cookies.", _string(example=SAMPLE_HEADER)),
    "Set-Cookie": _header("The token again, as a cookie."),
}
_COOKIE_GONE = {"Set-Cookie": _header("The cookie's deletion.")}
_RETRY_AFTER = {"Retry-After": _header("Seconds to wait.", _typed("integer", minimum=0))}
_ALWAYS: list[type[Exception]] = [
    drf.AuthenticationFailed,
    drf.PermissionDenied,
    drf.Throttled,
    drf.MethodNotAllowed,
    BadParameter,
    ours.StoreUnavailable,
    Exception,
]
_ZEPHR: list[type[Exception]] = [
    ours.ZephrSessionNotFound,
    ours.ZephrNotConfigured,
    ours.ZephrCredentialsRejected,
    ours.ZephrUnavailable,
    ours.ZephrBadResponse,
    ours.ZephrThrottled,
    ours.ZephrTimeout,
]
_HEADERS: dict[int, dict[str, Schema]] = {
    401: {"WWW-Authenticate": _header("Where the key belongs.")},
    405: {"Allow": _header("The methods that this path has.")},
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}


def _words(kind: type[Exception], view: APIView) -> list[str]:
    """Return what `error.details` may be for a kind of exception; nothing for the list of problems."""
    if kind is BadParameter:
        return []
    if kind is drf.AuthenticationFailed:
        return ["API_KEY_MISSING", "API_KEY_INVALID"]
    if kind is drf.PermissionDenied:
        return [cast(Any, permission).code for permission in view.permission_classes]
    return [TABLE[kind].details or kind.code]  # type: ignore[attr-defined]


def _json(schema: Schema, examples: Mapping[str, Any]) -> Schema:
    named = {name: {"value": value} for name, value in examples.items()}
    return {"application/json": {"schema": schema, **({"examples": named} if named else {})}}


def _errors(kinds: list[type[Exception]], view: APIView, headers: Schema) -> dict[str, Schema]:
    """Return the answers to these exceptions by status, each with the codes and words it may carry."""
    responses: dict[str, Schema] = {}
    for status in sorted({TABLE[kind].status for kind in kinds}):
        same = [kind for kind in kinds if TABLE[kind].status == status]
        examples = {
            word: {"error": {"code": TABLE[kind].code, "message": TABLE[kind].message, "details": word}}
            for kind in same
            for word in _words(kind, view)
        }
        details: Schema = {"enum": list(examples)} if examples else _array(_ref("JayProblem"))
        codes = sorted({TABLE[kind].code for kind in same})
        error = _object({"code": {"enum": codes}, "details": details}, "details")
        schema = {"allOf": [_ref("JayErrorAnswer"), _object({"error": error})]}
        responses[str(status)] = {
            "description": " ".join(dict.fromkeys(TABLE[kind].message for kind in same)),
            "headers": {**headers, **_HEADERS.get(status, {})},
            "content": _json(schema, examples),
        }
    return responses


def _success(schema: Schema, examples: Mapping[str, Any], headers: Schema, description: str) -> Schema:
    return {"description": description, "headers": headers, "content": _json(schema, examples)}


class ContractSchema(AutoSchema):
    """Gives a view's operations as they are written down. A subclass says what is in them."""

    tag: ClassVar[str]
    headers: ClassVar[Schema]

    def operation(self, method: str) -> Schema:
        """Return the operation without its security, made anew."""
        raise NotImplementedError

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: ComponentRegistry
    ) -> Schema | None:
        self.registry, self.path, self.method = registry, path, method
        for name, schema in COMPONENTS.items():
            # A copy, as a site's post-processing may change what it finds.
            component = ResolvedComponent(name, ResolvedComponent.SCHEMA, copy.deepcopy(schema), name)
            registry.register_on_missing(component)
        operation = copy.deepcopy(self.operation(method))
        return {**operation, "tags": [self.tag], "security": self.get_auth()}


class TrackingSchema(ContractSchema):
    """`/playouts/{playout_id}/tracking/session`."""

    tag = "tracking"
    headers = {**_CACHE_CONTROL, **_VERSION}

    def operation(self, method: str) -> Schema:
        return getattr(self, f"_{method.lower()}")()  # type: ignore[no-any-return]

    def _post(self) -> Schema:
        user_id = _parameter("query", USER_ID, _TEXT, "Optional user ID to track users across sessions")
        form = {"schema": _ref("JayStartSession")}
        kinds = [*_ALWAYS, drf.NotAcceptable, drf.UnsupportedMediaType, BodyTooLarge]
        return {
            "operationId": "start_tracking_session",
            "summary": "Initiate a new tracking session",
            "description": "Creates a new session each time, whatever token the request carries, and sends "
            "it as cookie and header. Of a user id in the query and in the body, that in the query counts.",
            "parameters": [*self._parameters(), user_id],
            "requestBody": {
                "description": "The user id, if it is not in the query.",
                "content": {parser.media_type: form for parser in self.view.parser_classes},
            },
            "responses": {
                "200": self._session("The new session.", {**self.headers, **_TOKEN}),
                **_errors(kinds, self.view, self.headers),
                "422": {
                    "description": TABLE[BadParameter].message,
                    "headers": self.headers,
                    "content": _json(_ref("JayProblemsAnswer"), {}),
                },
            },
        }

    def _get(self) -> Schema:
        return {
            "operationId": "read_tracking_session",
            "summary": "Retrieve current tracking session",
            "description": "The first valid token counts: the cookie's, then the header's.",
            "parameters": [*self._parameters(), self._cookie()],
            "responses": {
                "200": self._session("The active session.", self.headers),
                **_errors([*_ALWAYS, drf.NotAcceptable, ours.NoSession], self.view, self.headers),
            },
        }

    def _delete(self) -> Schema:
        answer = {"data": {"message": "The tracking session has ended."}}
        headers = {**self.headers, **_COOKIE_GONE}
        return {
            "operationId": "end_tracking_session",
            "summary": "End the tracking session",
            "description": "Ends the sessions of the cookie's and the header's token and deletes the "
            "cookie. Without a token the answer is the same.",
            "parameters": [*self._parameters(), self._cookie()],
            "responses": {
                "200": _success(_ref("JayMessageAnswer"), {"ended": answer}, headers, "It has ended."),
                **_errors([*_ALWAYS, drf.NotAcceptable], self.view, self.headers),
            },
        }

    def _session(self, description: str, headers: Schema) -> Schema:
        examples = {"session": {"data": SAMPLE_SESSION}}
        return _success(_ref("JayTrackingSessionAnswer"), examples, headers, description)

    def _parameters(self) -> list[Schema]:
        return [
            _parameter("path", "playout_id", _SEGMENT, "What is played.", example="netflix-de:s01e01"),
            _parameter(
                "header",
                carriers.HEADER,
                {"type": "string"},
                "Tracking session header for user tracking and analytics, as POST answered it.",
                example=SAMPLE_HEADER,
            ),
            _parameter(
                "header",
                VERSION_HEADER,
                _string(enum=[API_VERSION], default=API_VERSION),
                "The version to answer with; without it, the current one.",
            ),
        ]

    def _cookie(self) -> Schema:
        name = conf.get().cookie_name
        return _parameter("cookie", name, {"type": "string"}, "The token, as POST set it.")


class ZephrSchema(ContractSchema):
    """`/v3/sessions/{id}`."""

    tag = "zephr"
    headers = _CACHE_CONTROL

    def operation(self, method: str) -> Schema:
        return {
            "operationId": "read_zephr_session",
            "summary": "Retrieve a session",
            "description": "Looks up a session in Zephr.",
            "parameters": [_parameter("path", "id", _SEGMENT, "Unique Session identifier")],
            "responses": {
                "200": _success(_ref("ZephrSession"), {}, self.headers, "The session, as Zephr sends it."),
                **_errors([*_ALWAYS, *_ZEPHR], self.view, self.headers),
            },
        }


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """`X-API-Key`."""

    target_class = "jay_sessions.api.authentication.ApiKeyAuthentication"
    name = "ApiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> Schema:
        description = "API access key for authorized use of the endpoints."
        return {"type": "apiKey", "in": "header", "name": KEY_HEADER, "description": description}


class _ContractExtension(OpenApiViewExtension):
    schema: ClassVar[type[ContractSchema]]

    def view_replacement(self) -> type[JayView]:
        # Without versions: drf-spectacular would warn of a versioning that it does not know.
        changes = {"schema": self.schema(), "versioning_class": None}
        return type(self.target.__name__, (self.target,), changes)


class TrackingSessionExtension(_ContractExtension):
    target_class = "jay_sessions.api.views.TrackingSessionView"
    schema = TrackingSchema


class ZephrSessionExtension(_ContractExtension):
    target_class = "jay_sessions.api.zephr.ZephrSessionView"
    schema = ZephrSchema
