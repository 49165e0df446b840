"""A site whose REST_FRAMEWORK says the opposite of all that the app needs; see test_drf_settings.py."""

from typing import Any, NoReturn

from project.settings import *  # noqa: F403
from project.settings import DATABASES, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "rest_framework"]

# A test database of its own: it exists beside that of the suite which starts this one.
if DATABASES["default"]["ENGINE"] != "django.db.backends.sqlite3":
    own = {"NAME": f"hostile_{DATABASES['default']['NAME']}"}
    DATABASES = {"default": {**DATABASES["default"], "TEST": own}}


def refuse(*args: Any, **kwargs: Any) -> NoReturn:
    raise AssertionError("The site's own function was called.")


REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.TemplateHTMLRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FileUploadParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.SessionAuthentication",
        "rest_framework.authentication.BasicAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_THROTTLE_CLASSES": [
        "rest_framework.throttling.AnonRateThrottle",
        "rest_framework.throttling.UserRateThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {"anon": "1/day", "user": "1/day"},
    "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
    "DEFAULT_VERSION": "v1",
    "ALLOWED_VERSIONS": ["v1"],
    "VERSION_PARAM": "playout_id",
    "DEFAULT_METADATA_CLASS": "rest_framework.metadata.SimpleMetadata",
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "PAGE_SIZE": 1,
    "EXCEPTION_HANDLER": "tests.support.hostile_settings.refuse",
    "VIEW_NAME_FUNCTION": "tests.support.hostile_settings.refuse",
    "NON_FIELD_ERRORS_KEY": "playout_id",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": "user_id",
    "FORMAT_SUFFIX_KWARG": "playout_id",
    "DATETIME_FORMAT": "%s",
    "UNICODE_JSON": False,
    "COMPACT_JSON": False,
    "STRICT_JSON": False,
    "NUM_PROXIES": 0,
}
