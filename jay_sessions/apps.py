import logging

from django.apps import AppConfig, apps
from django.core.signals import request_finished, request_started
from django.utils.translation import gettext_lazy as _


class JaySessionsConfig(AppConfig):
    name = "jay_sessions"
    verbose_name = _("JAY sessions")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # The checks register themselves; the settings are ready.
        from . import checks, pinning, reporting  # noqa: F401
        from .api.request import before_request
        from .database import leases, suspects

        request_started.connect(before_request, dispatch_uid="jay_sessions.before_request")
        request_started.connect(suspects.close_doubted, dispatch_uid="jay_sessions.close_doubted")
        request_finished.connect(leases.close_of_thread, dispatch_uid="jay_sessions.close_of_thread")
        request_started.connect(pinning.settle, dispatch_uid="jay_sessions.settle")
        logging.getLogger("django.request").addFilter(reporting.scrub_line)
        if apps.is_installed("drf_spectacular"):
            from .api.schema import extensions  # noqa: F401 (its extensions register themselves)
