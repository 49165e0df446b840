from django.apps import AppConfig, apps
from django.core.signals import request_started
from django.utils.translation import gettext_lazy as _


class JaySessionsConfig(AppConfig):
    name = "jay_sessions"
    verbose_name = _("JAY sessions")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, cores, site_checks  # noqa: F401 (they register themselves; the settings are ready)
        from .api.request import before_request

        request_started.connect(before_request, dispatch_uid="jay_sessions.before_request")
        request_started.connect(cores.settle, dispatch_uid="jay_sessions.settle")
        if apps.is_installed("drf_spectacular"):
            from .api import schema  # noqa: F401 (its extensions register themselves)
