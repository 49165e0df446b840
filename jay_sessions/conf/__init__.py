"""The setting `JAY_SESSIONS` as one frozen, typed object; only this folder interprets it.

`get()` reads it at the first use and again after `setting_changed`, so `override_settings` works.
`settings.py` declares each name in it, `zephr.py` each name in its `ZEPHR`.
"""

import functools
import hmac
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from ..core import tokens, user_ids
from ..core.user_ids import UserIds
from .declaration import Problem, declared, read
from .settings import Settings
from .zephr import ZephrSettings

__all__ = ["NAME", "Problem", "Settings", "ZephrSettings", "declared", "get", "parse"]

NAME = "JAY_SESSIONS"

SITE_LENGTH = 16
"""The number of hexadecimal digits that name a site."""


def parse(raw: object) -> tuple[dict[str, Any], list[Problem]]:
    """Return the valid values, by the names of the fields of `Settings`, and all mistakes in `raw`."""
    values, problems = read(Settings, raw, NAME)
    return values, [*problems, *_contradictions(values)]


def _contradictions(values: Mapping[str, Any]) -> Iterator[Problem]:
    if values.get("cookie_name", "").startswith("__Host-") and values.get("cookie_domain"):
        yield Problem("COOKIE_DOMAIN", "must be None if the cookie's name starts with __Host-")
    if values.get("cookie_partitioned") and values.get("cookie_samesite") != "None":
        # A browser sends a cookie to another site only with SameSite=None, also a partitioned one.
        yield Problem("COOKIE_PARTITIONED", 'needs COOKIE_SAMESITE "None", too')
    if values.get("end_propagation") and values.get("session_lifetime") is None:
        yield Problem("END_PROPAGATION", "needs a SESSION_LIFETIME, too")
    retention, lifetime = values.get("retention"), values.get("session_lifetime")
    if retention is not None and (lifetime is None or retention < lifetime):
        # Otherwise an ended session is valid again once its row is purged.
        yield Problem("RETENTION", "needs a SESSION_LIFETIME, and must not be shorter than it")


@functools.cache
def get() -> Settings:
    """Return the settings. Raises ImproperlyConfigured with all mistakes in its message."""
    values, problems = parse(getattr(django_settings, NAME, {}))
    if problems:
        raise ImproperlyConfigured("; ".join(f"{NAME}: {p.name} {p.message}" for p in problems))
    values = {**{name.lower(): one.default for name, one in declared(Settings).items()}, **values}
    secrets = (django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS)
    signing_keys = tuple(tokens.signing_key(secret) for secret in secrets)
    hashing_keys = tuple(user_ids.hashing_key(secret) for secret in values["user_id_keys"] or secrets)
    return Settings(
        signing_keys=signing_keys,
        site=hmac.digest(signing_keys[0], b"jay_sessions.site", "sha256").hex()[:SITE_LENGTH],
        user_ids=UserIds(values["user_id_storage"], hashing_keys),
        **values,
    )


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in (NAME, "SECRET_KEY", "SECRET_KEY_FALLBACKS"):
        get.cache_clear()


setting_changed.connect(_forget, dispatch_uid="jay_sessions.conf")
