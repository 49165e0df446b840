"""The setting `JAY_SESSIONS` as one frozen, typed object; nothing else reads it.

`get()` reads it at the first use and again after `setting_changed`, so `override_settings` works.
Every name that can stand in it is a row of `PARSERS` (or, inside `ZEPHR`, of `ZEPHR_PARSERS`), in
`conf_values.py`.
"""

import dataclasses
import datetime
import functools
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from . import providers, tokens, user_ids
from .conf_values import PARSERS, ZEPHR_PARSERS, Parser
from .rates import Rate
from .user_ids import Storage, UserIds

NAME = "JAY_SESSIONS"


@dataclasses.dataclass(frozen=True, slots=True)
class ZephrSettings:
    """Where Zephr's Admin API is and how to sign for it; all times in seconds."""

    base_url: str
    access_key: str = dataclasses.field(repr=False)
    secret_key: str = dataclasses.field(repr=False)
    timeout: float = 8.0
    connect_timeout: float = 2.0
    cache_timeout: int = 30
    not_found_cache_timeout: int = 5
    max_attempts: int = 3
    stale_if_error: int = 0
    circuit_failures: int = 10
    circuit_timeout: float = 10.0
    link_sessions: bool = False
    session_cookie_name: str = "blaize_session"


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """`JAY_SESSIONS`, checked, with defaults filled in; `signing_keys` come from `SECRET_KEY`.

    The first of the keys signs, all of them verify. `user_ids` is `USER_ID_STORAGE` with `USER_ID_KEYS`,
    which come from `SECRET_KEY`, too, unless they are set.
    """

    signing_keys: tuple[bytes, ...] = dataclasses.field(repr=False)
    user_ids: UserIds
    require_signed_tokens: bool = False
    session_lifetime: datetime.timedelta | None = None
    retention: datetime.timedelta | None = None
    global_privacy_control: bool = False
    source: str = "jay.api.playout.1.0.0"
    provider_names: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    provider_resolver: providers.Resolver | None = None
    cookie_name: str = "__Secure-jay_tracking"
    cookie_samesite: str = "Lax"
    cookie_domain: str | None = None
    throttle_rates: Mapping[str, Rate] = dataclasses.field(default_factory=dict)
    num_proxies: int = 0
    recorder: str = "direct"
    end_propagation: float = 0.0
    pin_workers: bool = False
    zephr: ZephrSettings | None = None

    @property
    def is_grouped(self) -> bool:
        """Whether requests that come at the same time share commits and look-ups; tasks can await these."""
        return self.recorder == "group"


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the setting: under which name, and what about it."""

    name: str
    message: str


def _parse(raw: Any, parsers: dict[str, Parser], where: str) -> tuple[dict[str, Any], list[Problem]]:
    values, problems = {}, []
    if not isinstance(raw, Mapping):
        return {}, [Problem(where, "must be a dict")]
    for name, value in raw.items():
        if name not in parsers:
            problems.append(Problem(str(name), f"is not a name that {where} knows"))
            continue
        try:
            values[name.lower()] = parsers[name](value)
        except ValueError as error:
            problems.append(Problem(name, str(error)))
    return values, problems


def _parse_zephr(raw: Any) -> tuple[ZephrSettings | None, list[Problem]]:
    if not raw and (raw is None or isinstance(raw, Mapping)):
        return None, []
    values, problems = _parse(raw, ZEPHR_PARSERS, "ZEPHR")
    if problems:
        return None, problems
    places = [values.pop(name) for name in ("tenant", "base_url") if name in values]
    if len(places) != 1:
        problems.append(Problem("ZEPHR", "must have either TENANT or BASE_URL"))
    for name in ("ACCESS_KEY", "SECRET_KEY"):
        if name.lower() not in values:
            problems.append(Problem("ZEPHR", f"must have {name}"))
    return (None if problems else ZephrSettings(base_url=places[0], **values)), problems


def parse(raw: Any) -> tuple[dict[str, Any], list[Problem]]:
    """Return the values by the names of `Settings`, and everything that is wrong with `raw`."""
    if not isinstance(raw, Mapping):
        return {}, [Problem(NAME, "must be a dict")]
    values, problems = _parse({k: v for k, v in raw.items() if k != "ZEPHR"}, PARSERS, NAME)
    values["zephr"], zephr_problems = _parse_zephr(raw.get("ZEPHR"))
    if values.get("cookie_name", "").startswith("__Host-") and values.get("cookie_domain"):
        problems.append(Problem("COOKIE_DOMAIN", "must be None for a cookie whose name starts with __Host-"))
    if values.get("end_propagation") and values.get("session_lifetime") is None:
        problems.append(Problem("END_PROPAGATION", "needs a SESSION_LIFETIME, too"))
    retention, lifetime = values.get("retention"), values.get("session_lifetime")
    if retention is not None and (lifetime is None or retention < lifetime):
        # Else an ended session would be valid again once its row is purged.
        problems.append(Problem("RETENTION", "must be SESSION_LIFETIME or longer, and needs one"))
    return values, problems + zephr_problems


@functools.cache
def get() -> Settings:
    """Return the settings. Raises ImproperlyConfigured, naming everything that is wrong."""
    values, problems = parse(getattr(settings, NAME, {}))
    if problems:
        raise ImproperlyConfigured("; ".join(f"{NAME}: {p.name} {p.message}" for p in problems))
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    storage, keys = values.pop("user_id_storage", Storage.PLAIN), values.pop("user_id_keys", None)
    return Settings(
        signing_keys=tuple(tokens.signing_key(secret) for secret in secrets),
        user_ids=UserIds(storage, tuple(user_ids.hashing_key(secret) for secret in keys or secrets)),
        **values,
    )


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in (NAME, "SECRET_KEY", "SECRET_KEY_FALLBACKS"):
        get.cache_clear()


setting_changed.connect(_forget, dispatch_uid="jay_sessions.conf")
