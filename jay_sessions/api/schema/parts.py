"""Parts of the OpenAPI document's operations: parameters, headers, answers, errors."""

from collections.abc import Mapping
from typing import Any, cast

from rest_framework import exceptions as drf
from rest_framework.views import APIView

from ... import exceptions as ours
from ... import http
from ..errors import TABLE, BadParameter
from ..permissions import KeyPermission
from ..versioning import API_VERSION, VERSION_HEADER, VERSIONS
from .components import SAMPLE_HEADER, SEGMENT, Schema, array, json_object, ref, string, typed


def parameter(place: str, name: str, schema: Schema, description: str, **more: Any) -> Schema:
    described = {"in": place, "name": name, "schema": schema, "description": description, **more}
    return {**described, "required": True} if place == "path" else described


def header(description: str, schema: Schema | None = None) -> Schema:
    return {"description": description, "required": True, "schema": schema or {"type": "string"}}


CACHE_CONTROL = {"Cache-Control": header("The answer must not be stored.", string(enum=["no-store"]))}
VERSION = {VERSION_HEADER: header("The API version of the answer.", string(enum=[*VERSIONS]))}
TOKEN = {
    http.HEADER: header("The token, for clients without cookies.", string(example=SAMPLE_HEADER)),
    "Set-Cookie": header("The token again, as a cookie."),
}
COOKIE_GONE = {"Set-Cookie": header("The cookie's deletion.")}
_RETRY_AFTER = {"Retry-After": header("Seconds to wait.", typed("integer", minimum=0))}
ALWAYS: list[type[Exception]] = [
    drf.AuthenticationFailed,
    drf.PermissionDenied,
    drf.Throttled,
    drf.MethodNotAllowed,
    BadParameter,
    ours.StoreUnavailable,
    Exception,
]
_HEADERS: dict[int, dict[str, Schema]] = {
    401: {"WWW-Authenticate": header("How to send the API key.")},
    405: {"Allow": header("The methods that this path allows.")},
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}


def _words(kind: type[Exception], view: APIView) -> dict[str, str]:
    """Return the possible values of `error.details` for a kind of exception, each with its message.

    Empty if `error.details` is a list of problems.
    """
    message = TABLE[kind].message
    if kind is BadParameter:
        return {}
    if kind is drf.AuthenticationFailed:
        return dict.fromkeys(("API_KEY_MISSING", "API_KEY_INVALID"), message)
    if kind is drf.PermissionDenied:
        permissions = cast(list[type[KeyPermission]], view.permission_classes)
        return {permission.code: permission.message_for(view) for permission in permissions}
    return {TABLE[kind].details or kind.code: message}  # type: ignore[attr-defined]


def json_content(schema: Schema, examples: Mapping[str, Any]) -> Schema:
    named = {name: {"value": value} for name, value in examples.items()}
    return {"application/json": {"schema": schema, **({"examples": named} if named else {})}}


def error_answers(kinds: list[type[Exception]], view: APIView, headers: Schema) -> dict[str, Schema]:
    """Return the answers to these exceptions by status, each with its possible codes and words."""
    responses: dict[str, Schema] = {}
    for status in sorted({TABLE[kind].status for kind in kinds}):
        same = [kind for kind in kinds if TABLE[kind].status == status]
        examples = {
            word: {"error": {"code": TABLE[kind].code, "message": message, "details": word}}
            for kind in same
            for word, message in _words(kind, view).items()
        }
        details: Schema = {"enum": list(examples)} if examples else array(ref("JayProblem"))
        codes = sorted({TABLE[kind].code for kind in same})
        error = json_object({"code": {"enum": codes}, "details": details}, "details")
        schema = {"allOf": [ref("JayErrorAnswer"), json_object({"error": error})]}
        responses[str(status)] = {
            "description": " ".join(dict.fromkeys(TABLE[kind].message for kind in same)),
            "headers": {**headers, **_HEADERS.get(status, {})},
            "content": json_content(schema, examples),
        }
    return responses


def success(schema: Schema, examples: Mapping[str, Any], headers: Schema, description: str) -> Schema:
    return {"description": description, "headers": headers, "content": json_content(schema, examples)}


PLAYOUT_PARAMETER = parameter("path", "playout_id", SEGMENT, "What is played.", example="netflix-de:s01e01")
API_VERSION_PARAMETER = parameter(
    "header",
    VERSION_HEADER,
    string(enum=[*VERSIONS], default=API_VERSION),
    "The API version of the answer. Default: the current version.",
)
