"""The contract as an OpenAPI document, for sites that have installed drf-spectacular.

This module is imported only if `drf_spectacular` is in INSTALLED_APPS. drf-spectacular then finds the
extensions below by the class paths of the views, whatever the site's `REST_FRAMEWORK` says. The contract is
fixed, so the operations are written by hand and not guessed from code. Tables that the code already has
(statuses, codes, words, limits) are taken from there.
"""

import copy
from typing import Any, ClassVar

from django.urls import get_script_prefix
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiViewExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent
from drf_spectacular.settings import spectacular_settings
from rest_framework import exceptions as drf

from ... import conf, http
from ... import exceptions as ours
from ..authentication import HEADER as KEY_HEADER
from ..errors import TABLE, BadParameter, BodyTooLarge
from ..parsers import USER_ID, ZEPHR_SESSION_ID
from ..views.base import JayView
from ..views.tracking_sessions import ENDED, NONE_ENDED
from . import analytics
from . import zephr as schema_zephr
from .components import COMPONENTS, SAMPLE_HEADER, SAMPLE_SESSION, SEGMENT, TEXT, Schema, ref, string, typed
from .parts import (
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

_ZEPHR: list[type[Exception]] = [kind for kind in TABLE if issubclass(kind, ours.ZephrError)]

_ORIGIN: Schema = {
    "Age": {
        "description": "The age of the cached answer in seconds. Absent if the answer is not from the cache.",
        "schema": typed("integer", minimum=0),
    },
    "Cache-Status": {
        "description": "How the cache handled the request, as in RFC 9211.",
        "schema": string(example="jay_sessions; hit; ttl=12"),
    },
}


def add_servers(result: Schema, **kwargs: Any) -> Schema:
    """Name the server: the prefix under which the site is served, `/` if there is none.

    For drf-spectacular's `POSTPROCESSING_HOOKS`. If the site sets `SERVERS`, these stay.
    """
    prefix = get_script_prefix().rstrip("/") or "/"
    return {"servers": [{"url": prefix}], **result}


def _in_words_of(version: str, schema: Any) -> Any:
    # From 3.1 on, OpenAPI has no `nullable`; null is a type of its own.
    if isinstance(schema, list):
        return [_in_words_of(version, inner) for inner in schema]
    if not isinstance(schema, dict) or version.startswith("3.0"):
        return schema
    new = {name: _in_words_of(version, inner) for name, inner in schema.items() if name != "nullable"}
    return {**new, "type": [schema["type"], "null"]} if schema.get("nullable") else new


class ContractSchema(AutoSchema):
    """Gives a view the operations that a subclass writes down."""

    tag: ClassVar[str]
    headers: ClassVar[Schema]

    def operation(self, method: str) -> Schema:
        """Return a new copy of the operation, without its security."""
        raise NotImplementedError

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: ComponentRegistry
    ) -> Schema | None:
        self.registry, self.path, self.method = registry, path, method
        for name, schema in {**COMPONENTS, **schema_zephr.COMPONENTS}.items():
            # A copy, because a site's post-processing may change it.
            own = _in_words_of(spectacular_settings.OAS_VERSION, copy.deepcopy(schema))
            registry.register_on_missing(ResolvedComponent(name, ResolvedComponent.SCHEMA, own, name))
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
            "description": "Creates a new session for each request, even if the request has a token. "
            "The new token is sent as a cookie and as a header. A user id in the query replaces one in "
            "the body. An id that client code sends by mistake (`undefined`, `null`) is ignored.",
            "parameters": [*self._parameters(), user_id, *self._link()],
            "requestBody": {
                "description": "The user id, if it is not in the query.",
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
            "description": "The cookie's token is tried first, then the header's. If several cookies "
            f"are valid, the newest session is used. At most {http.MAX_TOKENS} tokens are read.",
            "parameters": [*self._parameters(), self._cookie()],
            "responses": {
                "200": self._session("The active session.", self.headers),
                **error_answers([*ALWAYS, drf.NotAcceptable, ours.NoSession], self.view, self.headers),
            },
        }

    def _delete(self) -> Schema:
        answers = {"ended": {"data": {"message": ENDED}}, "none": {"data": {"message": NONE_ENDED}}}
        headers = {**self.headers, **COOKIE_GONE}
        return {
            "operationId": "end_tracking_session",
            "summary": "End the tracking session",
            "description": "Ends the sessions of the tokens in the cookie and the header, and deletes "
            "the cookie. The message says whether one of these sessions has ended, now or earlier.",
            "parameters": [*self._parameters(), self._cookie()],
            "responses": {
                "200": success(ref("JayMessageAnswer"), answers, headers, "The result."),
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
                http.HEADER,
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
        meaning = f"The Zephr session to link. Default: the one in the cookie {zephr.session_cookie_name}."
        return [parameter("query", ZEPHR_SESSION_ID, TEXT, meaning)]

    def _cookie(self) -> Schema:
        name = conf.get().cookie_name
        return parameter("cookie", name, {"type": "string"}, "The token, as POST set it.")


class ListingSchema(ContractSchema):
    """`/playouts/{playout_id}/tracking/sessions`."""

    tag = "analytics"
    headers = {**CACHE_CONTROL, **VERSION}

    def operation(self, method: str) -> Schema:
        return analytics.listing(self.view, self.headers)


class StatisticsSchema(ListingSchema):
    """`/playouts/{playout_id}/tracking/statistics`."""

    def operation(self, method: str) -> Schema:
        return analytics.statistics(self.view, self.headers)


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
        # Without versions: drf-spectacular warns about a versioning class that it does not know.
        changes = {"schema": self.schema(), "versioning_class": None}
        return type(self.target.__name__, (self.target,), changes)


class TrackingSessionExtension(_ContractExtension):
    target_class = "jay_sessions.api.views.tracking_sessions.TrackingSessionView"
    schema = TrackingSchema


class SessionListExtension(_ContractExtension):
    target_class = "jay_sessions.api.views.analytics.SessionListView"
    schema = ListingSchema


class StatisticsExtension(_ContractExtension):
    target_class = "jay_sessions.api.views.analytics.StatisticsView"
    schema = StatisticsSchema


class ZephrSessionExtension(_ContractExtension):
    target_class = "jay_sessions.api.views.zephr.ZephrSessionView"
    schema = ZephrSchema
