"""The one table from exceptions to answers, and the handler that applies it."""

import dataclasses
import re
from collections.abc import Iterable
from typing import Any

from django.core.signals import got_request_exception
from django.http import Http404
from django.utils.log import log_response
from django.views.debug import SafeExceptionReporterFilter
from rest_framework import exceptions as drf
from rest_framework.response import Response

from .. import conf
from .. import exceptions as ours

RETRY_AFTER = 5
"""Seconds after which a client may try again, where nobody knows better."""


class BodyTooLarge(ours.JaySessionsError):
    """The request's body is longer than is read."""

    code = "BODY_TOO_LARGE"


class BadParameter(ours.JaySessionsError):
    """Parameters break rules: `loc` says where one stands, as in `("query", "user_id")`."""

    code = "BAD_PARAMETER"

    def __init__(self, loc: tuple[str, ...], kind: str, message: str) -> None:
        super().__init__(message)
        self.problems = [{"loc": list(loc), "msg": message, "type": kind}]

    @classmethod
    def of(cls, loc: tuple[str, ...], error: ours.InvalidValue) -> "BadParameter":
        """Say where the value stood that broke a rule."""
        return cls(loc, error.kind, error.message)

    def joined_by(self, others: Iterable["BadParameter"]) -> "BadParameter":
        """Name the problems of the others too."""
        for other in others:
            self.problems += other.problems
        return self


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What a kind of exception is on the wire: HTTP status, `error.code` of the reference, message.

    `details` is None where the exception itself has the word.
    """

    status: int
    code: int
    message: str
    details: str | None = None
    retry: bool = False


TABLE: dict[type[Exception], Answer] = {
    Http404: Answer(404, 404, "There is nothing at this path.", "NOT_FOUND"),
    drf.NotFound: Answer(404, 404, "There is nothing at this path.", "NOT_FOUND"),
    drf.NotAcceptable: Answer(406, 406, "This X-API-Version is not served.", "UNSUPPORTED_VERSION"),
    drf.AuthenticationFailed: Answer(401, 401, "A valid API key is required in X-API-Key."),
    drf.PermissionDenied: Answer(403, 403, "This API key may not do that."),
    drf.Throttled: Answer(429, 503, "Too many requests; try again later.", "RATE_LIMITED", retry=True),
    drf.MethodNotAllowed: Answer(
        405, 405, "This method is not allowed here; see Allow.", "METHOD_NOT_ALLOWED"
    ),
    drf.UnsupportedMediaType: Answer(
        415, 406, "Send JSON or a form, with its Content-Type.", "UNSUPPORTED_MEDIA_TYPE"
    ),
    BodyTooLarge: Answer(413, 400, "The body is too large."),
    BadParameter: Answer(422, 422, "A parameter is not valid."),
    ours.NoSession: Answer(400, 1001, "No tracking session found or session data is invalid"),
    ours.StoreUnavailable: Answer(503, 503, "The store is unavailable; try again.", retry=True),
    ours.ZephrNotConfigured: Answer(501, 501, "Zephr is not configured."),
    ours.ZephrSessionNotFound: Answer(404, 404, "Zephr does not know this session."),
    ours.ZephrCredentialsRejected: Answer(502, 503, "Zephr refuses our credentials."),
    ours.ZephrUnavailable: Answer(502, 503, "Zephr is unavailable."),
    ours.ZephrCircuitOpen: Answer(503, 503, "Zephr is unavailable; try again.", retry=True),
    ours.ZephrBadResponse: Answer(502, 503, "Zephr's answer is unusable."),
    ours.ZephrThrottled: Answer(503, 503, "Zephr throttles us; try again.", retry=True),
    ours.ZephrTimeout: Answer(504, 503, "Zephr did not answer in time."),
    Exception: Answer(500, 503, "An error on our side; it was reported.", "INTERNAL_ERROR"),
}


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response:
    """Turn whatever a view raises into the contract's answer; a fault of ours is reported as well."""
    kind = next(kind for kind in type(exc).__mro__ if kind in TABLE)
    answer = TABLE[kind]
    request = context["request"]
    if isinstance(exc, BadParameter) and request.method == "POST":
        body: dict[str, Any] = {"detail": exc.problems}
    else:
        error = {"code": answer.code, "message": answer.message, "details": _details(exc, answer)}
        body = {"error": error}
    response = Response(body, status=answer.status, headers=_headers(exc, answer, context))
    if kind is Exception:
        _report(context)
    _log(exc if kind is Exception else None, context, response)
    return response


def _details(exc: Exception, answer: Answer) -> Any:
    if answer.details is not None:
        return answer.details
    if isinstance(exc, BadParameter):
        return exc.problems
    return exc.get_codes() if isinstance(exc, drf.APIException) else exc.code  # type: ignore[attr-defined]


def _headers(exc: Exception, answer: Answer, context: dict[str, Any]) -> dict[str, str]:
    if isinstance(exc, drf.AuthenticationFailed):
        return {"WWW-Authenticate": getattr(exc, "auth_header", "")}
    if isinstance(exc, drf.MethodNotAllowed):
        return {"Allow": ", ".join(context["view"].allowed_methods)}
    if isinstance(exc, drf.Throttled):
        return {"Retry-After": str(exc.wait)}  # type: ignore[attr-defined]
    if answer.retry:
        return {"Retry-After": str(getattr(exc, "retry_after", None) or RETRY_AFTER)}
    return {}


class _WithoutTokens(SafeExceptionReporterFilter):
    """Keeps the tracking token, too, out of reports; the API key is out by its header's name."""

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|TRACKING", re.IGNORECASE
    )

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        carries = key == conf.get().cookie_name
        return self.cleansed_substitute if carries else super().cleanse_setting(key, value)


def _report(context: dict[str, Any]) -> None:
    # What Django does for a view that raises, so that error trackers and ADMINS hear of it.
    request = context["request"]._request
    request.exception_reporter_filter = _WithoutTokens()
    got_request_exception.send(sender=type(context["view"]), request=request)


def _log(exc: Exception | None, context: dict[str, Any], response: Response) -> None:
    # The line that Django would write itself, but for paths that tell too much.
    request = context["request"]._request
    path = context["view"].logged_path or request.path
    log_response("%s: %s", response.reason_phrase, path, response=response, request=request, exception=exc)
