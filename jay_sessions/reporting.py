"""Django's error reports, mailed to ADMINS or shown on the debug page, and its lines about failed requests.

They are without secrets. The lines are so on every site; for the reports, a site writes:

DEFAULT_EXCEPTION_REPORTER_FILTER = "jay_sessions.reporting.SecretsFilter"
DEFAULT_EXCEPTION_REPORTER = "jay_sessions.reporting.SecretsReporter"
"""

import logging
import re
from collections.abc import ItemsView
from types import FrameType, TracebackType
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from .core.secret_text import scrub

_OURS = __name__.partition(".")[0]


def scrub_line(record: logging.LogRecord) -> bool:
    """Filter the logger `django.request`: mask ids in the paths of its lines, and let each line pass.

    The endpoints name no such path themselves. But a path that is nearly right gets no further than Django.
    """
    if isinstance(record.args, tuple):
        record.args = tuple(scrub(arg) if isinstance(arg, str) else arg for arg in record.args)
    return True


class SecretsFilter(SafeExceptionReporterFilter):
    """Django's filter, which also masks tracking tokens, user ids and Zephr session ids.

    Django masks the API key already, by the name of its header. All cookies are masked, and all variables
    in frames of this app.
    """

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|TRACKING|QUERY_STRING|REFERER", re.IGNORECASE
    )

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        cleansed = super().cleanse_setting(key, value)
        return scrub(cleansed) if isinstance(cleansed, str) else cleansed

    def get_safe_cookies(self, request: HttpRequest) -> dict[str, Any]:
        return dict.fromkeys(super().get_safe_cookies(request), self.cleansed_substitute)

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: FrameType
    ) -> ItemsView[str, Any]:
        variables = super().get_traceback_frame_variables(request, tb_frame)
        if self.is_active(request) and _is_ours(tb_frame):
            return dict.fromkeys(dict(variables), self.cleansed_substitute).items()
        return variables


class SecretsReporter(ExceptionReporter):
    """Django's reporter, which also masks the query, and secrets in the values of variables.

    If the traceback has a frame of this app, the variables of all frames are masked: the database driver
    holds the values of a statement, user ids too, in a list without names.
    """

    def get_traceback_data(self) -> dict[str, Any]:
        data = super().get_traceback_data()
        if not self.filter.is_active(self.request):
            return data
        mask = self.filter.cleansed_substitute
        if self.request is not None:
            data["request_GET_items"] = [(name, mask) for name in self.request.GET]
            data["request_insecure_uri"] = scrub(data["request_insecure_uri"].partition("?")[0])
        if self._passed_the_app():
            for frame in data["frames"]:
                frame["vars"] = [(name, mask) for name, _ in frame.get("vars", ())]
            data["filtered_POST_items"] = [(name, mask) for name, _ in data["filtered_POST_items"]]
        return data

    def get_traceback_html(self) -> SafeString:
        return self._scrubbed(super().get_traceback_html())

    def get_traceback_text(self) -> SafeString:
        return self._scrubbed(super().get_traceback_text())

    def _scrubbed(self, report: SafeString) -> SafeString:
        # The mask has no character with a meaning in HTML.
        return mark_safe(scrub(report)) if self.filter.is_active(self.request) else report  # noqa: S308

    def _passed_the_app(self) -> bool:
        error, seen = self.exc_value, set()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            if _any_is_ours(self.tb if error is self.exc_value else error.__traceback__):
                return True
            error = error.__cause__ or error.__context__
        return False


def _any_is_ours(traceback: TracebackType | None) -> bool:
    while traceback is not None:
        if _is_ours(traceback.tb_frame):
            return True
        traceback = traceback.tb_next
    return False


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == _OURS
