"""The example site, configured by environment variables; also the settings of the test suite."""

from pathlib import Path
from typing import Any

from environs import Env
from pythonjsonlogger.core import RESERVED_ATTRS

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env()

DEBUG = env.bool("DEBUG", False)
# Good for a try on your own machine; `check --deploy` objects to it (security.W009).
SECRET_KEY = env.str("SECRET_KEY", "django-insecure-example-site")
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
    # Before everything that answers by itself, but behind the redirect to https and its headers.
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
    # Readers beside a writer, every commit on the disk before it is acknowledged, and writers that
    # wait for each other instead of failing half-way through a transaction.
    DATABASES["default"]["OPTIONS"] = {
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)

if redis_url := env.str("REDIS_URL", ""):
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis_url}}

USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", "UTC")
LANGUAGE_CODE = "en"

STATIC_URL = "static/"
# Without a directory that `collectstatic` has filled, files are served from where the apps have them.
STATIC_ROOT = env.str("STATIC_ROOT", None)
WHITENOISE_USE_FINDERS = STATIC_ROOT is None

# One switch for a site behind https: redirect, HSTS, and cookies that never travel in the clear.
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", False)
# Load balancers ask over http, from inside.
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", 31536000 if SECURE_SSL_REDIRECT else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_SSL_REDIRECT
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT
if env.bool("TRUST_X_FORWARDED_PROTO", False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Pages on other origins: the API alone, and only for origins that are named; cookies are sent along.
CORS_ALLOWED_ORIGINS = env.str("CORS_ALLOWED_ORIGINS", "").replace(",", " ").split()
CORS_URLS_REGEX = r"/(playouts|v3)/" if CORS_ALLOWED_ORIGINS else r"(?!)"  # the latter matches no path
CORS_ALLOW_CREDENTIALS = True
CORS_ALLOW_METHODS = ["GET", "HEAD", "POST", "DELETE", "OPTIONS"]
CORS_ALLOW_HEADERS = ["accept", "content-type", "x-api-key", "x-jay-tracking", "x-api-version"]
CORS_EXPOSE_HEADERS = ["X-JAY-TRACKING", "X-API-Version", "Retry-After"]
CORS_PREFLIGHT_MAX_AGE = 7200  # seconds; Chromium keeps an answer no longer

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
            # Django hands the request along, whose repr holds the query string and so the user id.
            "reserved_attrs": [*RESERVED_ATTRS, "request"],
        },
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {"django": {"handlers": [], "level": LOG_LEVEL, "propagate": True}},
}

SPECTACULAR_SETTINGS = {
    "TITLE": "jay_sessions",
    "DESCRIPTION": "Tracking sessions that clients create, read and end, and a proxy for Zephr sessions.",
    "VERSION": "2025-09-02",
    # Swagger UI from the site's own static files.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

JAY_SESSIONS: dict[str, Any] = {
    "REQUIRE_SIGNED_TOKENS": env.bool("JAY_REQUIRE_SIGNED_TOKENS", False),
    "SESSION_LIFETIME": env.int("JAY_SESSION_LIFETIME", None),
    "RETENTION": env.int("JAY_RETENTION", None),
    "USER_ID_STORAGE": env.str("JAY_USER_ID_STORAGE", "plain"),
    "USER_ID_KEYS": env.str("JAY_USER_ID_KEYS", "").replace(",", " ").split() or None,
    "GLOBAL_PRIVACY_CONTROL": env.bool("JAY_GLOBAL_PRIVACY_CONTROL", False),
    "COOKIE_SAMESITE": env.str("JAY_COOKIE_SAMESITE", "Lax"),
    "THROTTLE_RATES": {
        "key": env.str("JAY_THROTTLE_KEY", None),
        "anonymous": env.str("JAY_THROTTLE_ANONYMOUS", None),
    },
    "NUM_PROXIES": env.int("JAY_NUM_PROXIES", 0),
    "RECORDER": env.str("JAY_RECORDER", "direct"),
    "END_PROPAGATION": env.float("JAY_END_PROPAGATION", 0),
    "PIN_WORKERS": env.bool("JAY_PIN_WORKERS", False),
    "ZEPHR": {},
}
if zephr_base_url := env.str("ZEPHR_BASE_URL", ""):
    JAY_SESSIONS["ZEPHR"] = {
        "BASE_URL": zephr_base_url,
        "ACCESS_KEY": env.str("ZEPHR_ACCESS_KEY"),
        "SECRET_KEY": env.str("ZEPHR_SECRET_KEY"),
        "LINK_SESSIONS": env.bool("ZEPHR_LINK_SESSIONS", False),
    }
