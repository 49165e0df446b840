"""Who calls: the API key in `X-API-Key`."""

import datetime
import logging
from typing import Any

from django.apps import apps
from django.db import DatabaseError
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from .. import key_cache
from ..models import ApiKey
from ..store import available

logger = logging.getLogger("jay_sessions")

HEADER = "X-API-Key"


class ApiKeyAuthentication(BaseAuthentication):
    """Sets `request.auth` to the `ApiKey`; `request.user` stays anonymous, since a key is nobody's login."""

    @sensitive_variables("text")
    def authenticate(self, request: Request) -> tuple[Any, ApiKey]:
        """Raise AuthenticationFailed without a live key, StoreUnavailable where that cannot be known."""
        text = request.META.get("HTTP_X_API_KEY", "").strip()
        if not text:
            raise exceptions.AuthenticationFailed(code="API_KEY_MISSING")
        now = timezone.now()
        with available():
            key = key_cache.find(text)
        if key is None or not key.is_live(now):
            raise exceptions.AuthenticationFailed(code="API_KEY_INVALID")
        if not key.use_is_noted(now):
            _note_use(key, now)
        return nobody(), key

    def authenticate_header(self, request: Request) -> str:
        return f'ApiKey realm="jay_sessions", header="{HEADER}"'


def _note_use(key: ApiKey, now: datetime.datetime) -> None:
    try:
        ApiKey.objects.note_use(key, now)
    except DatabaseError as error:
        # For people only: no reason to refuse a request that the store can still serve.
        logger.info("The last use of API key %s was not noted: %s", key.prefix, error)


def nobody() -> Any:
    """Return the user of a request that is nobody's: Django's AnonymousUser, or None without its app."""
    # A site's middleware may look at request.user afterwards; a site without users has no such class.
    if not apps.is_installed("django.contrib.auth"):
        return None
    from django.contrib.auth.models import AnonymousUser

    return AnonymousUser()
