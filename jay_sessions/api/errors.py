"""The one table from exceptions to error answers, and the handler that uses it."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from django.core.signals import got_request_exception
from django.http import Http404
from django.utils.log import log_response
from rest_framework import exceptions as drf
from rest_framework.response import Response

from .. import exceptions as ours
from ..reporting import SecretsFilter

RETRY_AFTER = 5
"""Seconds after which a client may try again, unless the exception names another time."""


class BodyTooLarge(ours.JaySessionsError):
    """The request's body is longer than `MAX_BODY` of request.py."""

    code = "BODY_TOO_LARGE"


class BadParameter(ours.JaySessionsError):
    """Parameters break rules. `loc` is the place of one, for example `("query", "user_id")`."""

    code = "BAD_PARAMETER"

    def __init__(self, loc: tuple[str, ...], kind: str, message: str) -> None:
        super().__init__(loc, kind, message)
        self.problems = [{"loc": list(loc), "msg": message, "type": kind}]

    def __str__(self) -> str:
        return str(self.problems[0]["msg"])

    @classmethod
    def of(cls, loc: tuple[str, ...], error: ours.InvalidValue) -> "BadParameter":
        """Return the error for a value at `loc` that broke a rule."""
        return cls(loc, error.kind, error.message)

    def joined_by(self, others: Iterable["BadParameter"]) -> "BadParameter":
        """Add the problems of the other errors to this one, and return it."""
        for other in others:
            self.problems += other.problems
        return self


@dataclasses.dataclass(frozen=True, slots=True)
class ErrorResponse:
    """The answer to a kind of exception: HTTP status, `error.code` of the reference, message.

    `details` is None if the exception itself has the value of `error.details`.
    """

    status: int
    code: int
    message: str
    details: str | None = None
    retry: bool = False


FAULT = ErrorResponse(500, 503, "An error on our side; it was reported.", "INTERNAL_ERROR")

TABLE: dict[type[Exception], ErrorResponse] = {
    Http404: ErrorResponse(404, 404, "There is nothing at this path.", "NOT_FOUND"),
    drf.NotFound: ErrorResponse(404, 404, "There is nothing at this path.", "NOT_FOUND"),
    drf.NotAcceptable: ErrorResponse(406, 406, "This X-API-Version is not served.", "UNSUPPORTED_VERSION"),
    drf.AuthenticationFailed: ErrorResponse(401, 401, "A valid API key is required in X-API-Key."),
    drf.PermissionDenied: ErrorResponse(403, 403, "This API key may not do that."),
    drf.Throttled: ErrorResponse(429, 503, "Too many requests; try again later.", "RATE_LIMITED", retry=True),
    drf.MethodNotAllowed: ErrorResponse(
        405, 405, "This method is not allowed here; see Allow.", "METHOD_NOT_ALLOWED"
    ),
    drf.UnsupportedMediaType: ErrorResponse(
        415, 406, "Send JSON or a form, with its Content-Type.", "UNSUPPORTED_MEDIA_TYPE"
    ),
    BodyTooLarge: ErrorResponse(413, 400, "The body is too large."),
    BadParameter: ErrorResponse(422, 422, "A parameter is not valid."),
    ours.NoSession: ErrorResponse(400, 1001, "No tracking session found or session data is invalid"),
    ours.StoreUnavailable: ErrorResponse(503, 503, "The store is unavailable; try again.", retry=True),
    ours.ZephrSessionNotFound: ErrorResponse(404, 404, "Zephr does not know this session."),
    ours.ZephrNotConfigured: ErrorResponse(501, 501, "Zephr is not configured."),
    ours.ZephrCredentialsRejected: ErrorResponse(502, 503, "Zephr refuses our credentials."),
    ours.ZephrUnavailable: ErrorResponse(502, 503, "Zephr is unavailable."),
    ours.ZephrCircuitOpen: ErrorResponse(503, 503, "Zephr is unavailable; try again.", retry=True),
    ours.ZephrBusy: ErrorResponse(503, 503, "Too many requests wait for Zephr; try again.", retry=True),
    ours.ZephrBadResponse: ErrorResponse(502, 503, "Zephr's answer is unusable."),
    ours.ZephrThrottled: ErrorResponse(503, 503, "Zephr throttles us; try again.", retry=True),
    ours.ZephrTimeout: ErrorResponse(504, 503, "Zephr did not answer in time."),
    ours.StoreNotMigrated: FAULT,
    Exception: FAULT,
}


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response:
    """Return the contract's answer to any exception of a view; internal errors are reported too."""
    answer = next(TABLE[kind] for kind in type(exc).__mro__ if kind in TABLE)
    request = context["request"]
    if isinstance(exc, BadParameter) and request.method == "POST":
        body: dict[str, Any] = {"detail": exc.problems}
    else:
        # Only the permission knows which scope a key lacks.
        message = str(exc.detail) if isinstance(exc, drf.PermissionDenied) else answer.message
        error = {"code": answer.code, "message": message, "details": _details(exc, answer)}
        body = {"error": error}
    response = Response(body, status=answer.status, headers=_headers(exc, answer, context))
    if answer is FAULT:
        _report(context)
    _log(exc if answer is FAULT else None, context, response)
    return response


def _details(exc: Exception, answer: ErrorResponse) -> Any:
    if answer.details is not None:
        return answer.details
    if isinstance(exc, BadParameter):
        return exc.problems
    return exc.get_codes() if isinstance(exc, drf.APIException) else exc.code  # type: ignore[attr-defined]


def _headers(exc: Exception, answer: ErrorResponse, context: dict[str, Any]) -> dict[str, str]:
    if isinstance(exc, drf.AuthenticationFailed):
        return {"WWW-Authenticate": getattr(exc, "auth_header", "")}
    if isinstance(exc, drf.MethodNotAllowed):
        return {"Allow": ", ".join(context["view"].allowed_methods)}
    if isinstance(exc, drf.Throttled):
        return {"Retry-After": str(exc.wait)}  # type: ignore[attr-defined]
    if answer.retry:
        return {"Retry-After": str(getattr(exc, "retry_after", None) or RETRY_AFTER)}
    return {}


def _report(context: dict[str, Any]) -> None:
    # Django does the same if a view raises. So error trackers and ADMINS hear of it.
    request = context["request"]._request
    request.exception_reporter_filter = SecretsFilter()
    got_request_exception.send(sender=type(context["view"]), request=request)


def _log(exc: Exception | None, context: dict[str, Any], response: Response) -> None:
    # As Django's own line, but without paths that reveal too much.
    request = context["request"]._request
    path = context["view"].logged_path or request.path
    log_response("%s: %s", response.reason_phrase, path, response=response, request=request, exception=exc)
