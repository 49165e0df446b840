"""The example site, configured by environment variables; also the settings of the test suite."""

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from environs import Env
from pythonjsonlogger.core import RESERVED_ATTRS

from project.environment import from_environment

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env()

DEBUG = env.bool("DEBUG", False)
# It is public: anybody can sign tokens with it, and log in to the admin.
PUBLIC_SECRET_KEY = "django-insecure-example-site"
SECRET_KEY = env.str("SECRET_KEY", PUBLIC_SECRET_KEY)
if SECRET_KEY == PUBLIC_SECRET_KEY and not DEBUG:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set, and the example site's built-in key is public. Set one key for all "
        "processes: export SECRET_KEY=$(python -c 'import secrets; print(secrets.token_urlsafe(64))'). "
        "To try the site on your own machine, set DEBUG=1 instead."
    )
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "jay_sessions",
    "project",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    # Before all middleware that may answer by itself, but after the redirect to https and its headers.
    "corsheaders.middleware.CorsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "jay_sessions.middleware.TrackingSessionMiddleware",
]

ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
ASGI_APPLICATION = "project.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": env.dj_db_url("DATABASE_URL", f"sqlite:///{BASE_DIR / 'db.sqlite3'}", conn_max_age=60),
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Readers work beside a writer, every commit is on the disk before it is acknowledged, and writers
    # wait for each other instead of failing in the middle of a transaction.
    DATABASES["default"]["OPTIONS"] = {
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # Every view and command gives up a lost database within seconds.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 3,
        "keepalives_idle": 10,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        **DATABASES["default"].get("OPTIONS", {}),
    }
    # For a pooler such as PgBouncer, which gives each transaction another connection.
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = env.bool("DISABLE_SERVER_SIDE_CURSORS", False)

if redis_url := env.str("REDIS_URL", ""):
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": redis_url,
            # Seconds; without them a silent Redis would block for ever.
            "OPTIONS": {"socket_timeout": 0.5, "socket_connect_timeout": 0.5},
        }
    }

USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", "UTC")
LANGUAGE_CODE = "en"

STATIC_URL = "static/"
# Without this directory, filled by `collectstatic`, files are served from the apps' own directories.
STATIC_ROOT = env.str("STATIC_ROOT", None)
WHITENOISE_USE_FINDERS = STATIC_ROOT is None

# One switch for a site behind https: redirect, HSTS, and cookies that are never sent unencrypted.
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", False)
# Load balancers check over http, from inside.
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", 31536000 if SECURE_SSL_REDIRECT else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_SSL_REDIRECT
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT
if env.bool("TRUST_X_FORWARDED_PROTO", False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Pages on other origins may use the API only, and only named origins; cookies are sent along.
CORS_ALLOWED_ORIGINS = env.str("CORS_ALLOWED_ORIGINS", "").replace(",", " ").split()
CORS_URLS_REGEX = r"/(playouts|v3)/" if CORS_ALLOWED_ORIGINS else r"(?!)"  # the latter matches no path
CORS_ALLOW_CREDENTIALS = True
CORS_ALLOW_METHODS = ["GET", "HEAD", "POST", "DELETE", "OPTIONS"]
CORS_ALLOW_HEADERS = ["accept", "content-type", "x-api-key", "x-jay-tracking", "x-api-version"]
CORS_EXPOSE_HEADERS = ["X-JAY-TRACKING", "X-API-Version", "Retry-After"]
CORS_PREFLIGHT_MAX_AGE = 7200  # seconds; Chromium caches for no longer

LOG_LEVEL = env.str("LOG_LEVEL", "INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "{asctime}{levelname}{name}{message}",
            "style": "{",
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
            # Django adds the request; its repr holds the query string and so the user id.
            "reserved_attrs": [*RESERVED_ATTRS, "request"],
        },
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        # At debug level, these log statements, pages and requests, with keys, tokens and user ids in them.
        **{
            name: {"level": "INFO" if LOG_LEVEL in ("DEBUG", "NOTSET") else LOG_LEVEL}
            for name in ("django.db.backends", "django.template", "requests", "urllib3")
        },
    },
}
DEFAULT_EXCEPTION_REPORTER_FILTER = "jay_sessions.reporting.SecretsFilter"
DEFAULT_EXCEPTION_REPORTER = "jay_sessions.reporting.SecretsReporter"

SPECTACULAR_SETTINGS = {
    "TITLE": "jay_sessions",
    "DESCRIPTION": "Tracking sessions that clients create, read and end, and a proxy for Zephr sessions.",
    "VERSION": "2025-09-02",
    # Swagger UI from the site's own static files.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "jay_sessions.api.schema.extensions.add_servers",
    ],
}

JAY_SESSIONS = from_environment()
