"""The contract as an OpenAPI document, for sites that have drf-spectacular installed.

Nothing imports this where `drf_spectacular` is not among INSTALLED_APPS. Where it is, drf-spectacular
finds the extensions below by the class paths of the views, whatever the site's `REST_FRAMEWORK` says.
The contract is fixed, so the operations are written down here rather than guessed from code; what the
code already has as a table (statuses, codes, words, limits) is taken from there.
"""

import copy
from typing import ClassVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiViewExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent
from rest_framework import exceptions as drf

from .. import carriers, conf
from .. import exceptions as ours
from . import schema_analytics
from .authentication import HEADER as KEY_HEADER
from .base import JayView
from .errors import TABLE, BadParameter, BodyTooLarge
from .parsers import USER_ID, ZEPHR_SESSION_ID
from .schema_components import (
    COMPONENTS,
    SAMPLE_HEADER,
    SAMPLE_SESSION,
    SEGMENT,
    TEXT,
    Schema,
    ref,
    string,
    typed,
)
from .schema_parts import (
    ALWAYS,
    API_VERSION_PARAMETER,
    CACHE_CONTROL,
    COOKIE_GONE,
    PLAYOUT_PARAMETER,
    TOKEN,
    VERSION,
    error_answers,
    json_content,
    parameter,
    success,
)

_ZEPHR: list[type[Exception]] = [
    ours.ZephrSessionNotFound,
    ours.ZephrNotConfigured,
    ours.ZephrCredentialsRejected,
    ours.ZephrUnavailable,
    ours.ZephrCircuitOpen,
    ours.ZephrBadResponse,
    ours.ZephrThrottled,
    ours.ZephrTimeout,
]

_ORIGIN: Schema = {
    "Age": {
        "description": "Seconds that the answer has been in the cache; absent where it is not from there.",
        "schema": typed("integer", minimum=0),
    },
    "Cache-Status": {
        "description": "How the answer was come by, as in RFC 9211.",
        "schema": string(example="jay_sessions; hit; ttl=12"),
    },
}


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
    headers = {**CACHE_CONTROL, **VERSION}

    def operation(self, method: str) -> Schema:
        return getattr(self, f"_{method.lower()}")()  # type: ignore[no-any-return]

    def _post(self) -> Schema:
        user_id = parameter("query", USER_ID, TEXT, "Optional user ID to track users across sessions")
        form = {"schema": ref("JayStartSession")}
        kinds = [*ALWAYS, drf.NotAcceptable, drf.UnsupportedMediaType, BodyTooLarge]
        return {
            "operationId": "start_tracking_session",
            "summary": "Initiate a new tracking session",
            "description": "Creates a new session each time, whatever token the request carries, and sends "
            "it as cookie and header. Of a user id in the query and in the body, that in the query counts.",
            "parameters": [*self._parameters(), user_id, *self._link()],
            "requestBody": {
                "description": "The same, if it is not in the query.",
                "content": {parser.media_type: form for parser in self.view.parser_classes},
            },
            "responses": {
                "200": self._session("The new session.", {**self.headers, **TOKEN}),
                **error_answers(kinds, self.view, self.headers),
                "422": {
                    "description": TABLE[BadParameter].message,
                    "headers": self.headers,
                    "content": json_content(ref("JayProblemsAnswer"), {}),
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
                **error_answers([*ALWAYS, drf.NotAcceptable, ours.NoSession], self.view, self.headers),
            },
        }

    def _delete(self) -> Schema:
        answer = {"data": {"message": "The tracking session has ended."}}
        headers = {**self.headers, **COOKIE_GONE}
        return {
            "operationId": "end_tracking_session",
            "summary": "End the tracking session",
            "description": "Ends the sessions of the cookie's and the header's token and deletes the "
            "cookie. Without a token the answer is the same.",
            "parameters": [*self._parameters(), self._cookie()],
            "responses": {
                "200": success(ref("JayMessageAnswer"), {"ended": answer}, headers, "It has ended."),
                **error_answers([*ALWAYS, drf.NotAcceptable], self.view, self.headers),
            },
        }

    def _session(self, description: str, headers: Schema) -> Schema:
        examples = {"session": {"data": SAMPLE_SESSION}}
        return success(ref("JayTrackingSessionAnswer"), examples, headers, description)

    def _parameters(self) -> list[Schema]:
        return [
            PLAYOUT_PARAMETER,
            parameter(
                "header",
                carriers.HEADER,
                {"type": "string"},
                "Tracking session header for user tracking and analytics, as POST answered it.",
                example=SAMPLE_HEADER,
            ),
            API_VERSION_PARAMETER,
        ]

    def _link(self) -> list[Schema]:
        zephr = conf.get().zephr
        if zephr is None or not zephr.link_sessions:
            return []
        meaning = f"The Zephr session to link; without it, that of the cookie {zephr.session_cookie_name}."
        return [parameter("query", ZEPHR_SESSION_ID, TEXT, meaning)]

    def _cookie(self) -> Schema:
        name = conf.get().cookie_name
        return parameter("cookie", name, {"type": "string"}, "The token, as POST set it.")


class ListingSchema(ContractSchema):
    """`/playouts/{playout_id}/tracking/sessions`."""

    tag = "analytics"
    headers = {**CACHE_CONTROL, **VERSION}

    def operation(self, method: str) -> Schema:
        return schema_analytics.listing(self.view, self.headers)


class StatisticsSchema(ListingSchema):
    """`/playouts/{playout_id}/tracking/statistics`."""

    def operation(self, method: str) -> Schema:
        return schema_analytics.statistics(self.view, self.headers)


class ZephrSchema(ContractSchema):
    """`/v3/sessions/{id}`."""

    tag = "zephr"
    headers = CACHE_CONTROL

    def operation(self, method: str) -> Schema:
        return {
            "operationId": "read_zephr_session",
            "summary": "Retrieve a session",
            "description": "Looks up a session in Zephr.",
            "parameters": [parameter("path", "id", SEGMENT, "Unique Session identifier")],
            "responses": {
                "200": success(
                    ref("ZephrSession"), {}, {**self.headers, **_ORIGIN}, "The session, as Zephr sends it."
                ),
                **error_answers([*ALWAYS, *_ZEPHR], self.view, self.headers),
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


class SessionListExtension(_ContractExtension):
    target_class = "jay_sessions.api.analytics.SessionListView"
    schema = ListingSchema


class StatisticsExtension(_ContractExtension):
    target_class = "jay_sessions.api.analytics.StatisticsView"
    schema = StatisticsSchema


class ZephrSessionExtension(_ContractExtension):
    target_class = "jay_sessions.api.zephr.ZephrSessionView"
    schema = ZephrSchema
