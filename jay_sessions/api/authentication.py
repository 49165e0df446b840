"""Authentication by the API key in `X-API-Key`."""

import datetime
import logging
from time import monotonic
from typing import Any

from django.apps import apps
from django.db import DatabaseError, connections, router
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from .. import conf
from ..core.secret_text import Secret
from ..database.attempts import attempt
from ..database.leases import Purpose, leased
from ..exceptions import StoreUnavailable
from ..models import ApiKey
from . import key_cache

logger = logging.getLogger("jay_sessions")

HEADER = "X-API-Key"


class ApiKeyAuthentication(BaseAuthentication):
    """Sets `request.auth` to the `ApiKey`. `request.user` stays anonymous, since a key belongs to no user."""

    @sensitive_variables("text")
    def authenticate(self, request: Request) -> tuple[Any, ApiKey]:
        """Raise AuthenticationFailed without a valid key, StoreUnavailable if the key cannot be looked up."""
        text = Secret(request.META.get("HTTP_X_API_KEY", "").strip())
        if not text:
            raise exceptions.AuthenticationFailed(code="API_KEY_MISSING")
        now = timezone.now()
        key = key_cache.find(text)
        if key is None or not key.is_live(now):
            raise exceptions.AuthenticationFailed(code="API_KEY_INVALID")
        if not key.was_used_recently(now):
            _note_use(key, now)
        return anonymous_user(), key

    def authenticate_header(self, request: Request) -> str:
        return f'ApiKey realm="jay_sessions", header="{HEADER}"'


def _note_use(key: ApiKey, now: datetime.datetime) -> None:
    began = monotonic()
    try:
        alias = router.db_for_write(ApiKey)
        with leased(alias, Purpose.REQUEST):
            attempt(connections[alias], lambda again: ApiKey.objects.note_use(key, now))
    except (DatabaseError, StoreUnavailable) as error:
        # The time of last use only informs people: no reason to refuse a request that can be served.
        logger.info("The last use of API key %s was not noted: %s", key.prefix, error)
        if monotonic() - began >= conf.get().database_timeout:
            # The database is silent, and this request has waited for it: it does not wait again.
            raise StoreUnavailable("The database did not answer in time.") from error


def anonymous_user() -> Any:
    """Return the user of a request without a login: Django's AnonymousUser, or None without its app."""
    # A site's middleware may read request.user later. Without the app, the class does not exist.
    if not apps.is_installed("django.contrib.auth"):
        return None
    from django.contrib.auth.models import AnonymousUser

    return AnonymousUser()
