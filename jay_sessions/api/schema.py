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
from .authentication import HEADER as KEY_HEADER
from .base import API_VERSION, VERSION_HEADER, JayView
from .errors import TABLE, BadParameter, BodyTooLarge
from .parsers import USER_ID
from .schema_components import (
    COMPONENTS,
    SAMPLE_HEADER,
    SAMPLE_SESSION,
    SEGMENT,
    TEXT,
    Schema,
    array,
    json_object,
    ref,
    string,
    typed,
)


def _parameter(place: str, name: str, schema: Schema, description: str, **more: Any) -> Schema:
    parameter = {"in": place, "name": name, "schema": schema, "description": description, **more}
    return {**parameter, "required": True} if place == "path" else parameter


def _header(description: str, schema: Schema | None = None) -> Schema:
    return {"description": description, "required": True, "schema": schema or {"type": "string"}}


_CACHE_CONTROL = {"Cache-Control": _header("Never to be stored.", string(enum=["no-store"]))}
_VERSION = {VERSION_HEADER: _header("The version that the answer follows.", string(enum=[API_VERSION]))}
_TOKEN = {
    carriers.HEADER: _header("The token, for clients without cookies.", string(example=SAMPLE_HEADER)),
    "Set-Cookie": _header("The token again, as a cookie."),
}
_COOKIE_GONE = {"Set-Cookie": _header("The cookie's deletion.")}
_RETRY_AFTER = {"Retry-After": _header("Seconds to wait.", typed("integer", minimum=0))}
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
        details: Schema = {"enum": list(examples)} if examples else array(ref("JayProblem"))
        codes = sorted({TABLE[kind].code for kind in same})
        error = json_object({"code": {"enum": codes}, "details": details}, "details")
        schema = {"allOf": [ref("JayErrorAnswer"), json_object({"error": error})]}
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
        user_id = _parameter("query", USER_ID, TEXT, "Optional user ID to track users across sessions")
        form = {"schema": ref("JayStartSession")}
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
                    "content": _json(ref("JayProblemsAnswer"), {}),
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
                "200": _success(ref("JayMessageAnswer"), {"ended": answer}, headers, "It has ended."),
                **_errors([*_ALWAYS, drf.NotAcceptable], self.view, self.headers),
            },
        }

    def _session(self, description: str, headers: Schema) -> Schema:
        examples = {"session": {"data": SAMPLE_SESSION}}
        return _success(ref("JayTrackingSessionAnswer"), examples, headers, description)

    def _parameters(self) -> list[Schema]:
        return [
            _parameter("path", "playout_id", SEGMENT, "What is played.", example="netflix-de:s01e01"),
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
                string(enum=[API_VERSION], default=API_VERSION),
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
            "parameters": [_parameter("path", "id", SEGMENT, "Unique Session identifier")],
            "responses": {
                "200": _success(ref("ZephrSession"), {}, self.headers, "The session, as Zephr sends it."),
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
