"""Zephr sessions for the site: the client, built from the settings, behind Django's default cache."""

import contextlib
import functools
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.cache import cache

from .. import conf
from ..exceptions import ZephrError, ZephrNotConfigured, ZephrSessionNotFound
from .client import ZephrClient
from .session import ZephrSession, clean_session_id

logger = logging.getLogger("jay_sessions.zephr")


def get_session(session_id: str) -> ZephrSession:
    """Return the session, from the cache where it was asked for a moment ago.

    Raises InvalidValue for an id that can be none, ZephrNotConfigured, and what
    `ZephrClient.get_session` raises. That Zephr does not know a session is cached too; other
    errors never are.
    """
    session_id = clean_session_id(session_id)
    zephr = conf.get().zephr
    if zephr is None:
        raise ZephrNotConfigured("The ZEPHR setting is empty.")
    key = _cache_key(zephr, session_id)
    cached = _cached(key, zephr)
    if cached is not None:
        return cached
    try:
        session = _fetch(session_id, zephr)
    except ZephrSessionNotFound:
        _remember(key, None, zephr.not_found_cache_timeout)
        raise
    _remember(key, session.raw, zephr.cache_timeout)
    return session


def _fetch(session_id: str, zephr: conf.ZephrSettings) -> ZephrSession:
    start = time.perf_counter()
    try:
        session = _client(zephr, os.getpid()).get_session(session_id)
    except ZephrError as error:
        expected = isinstance(error, ZephrSessionNotFound)
        _log_call(error.code, start, logging.INFO if expected else logging.WARNING)
        raise
    _log_call("OK", start, logging.INFO)
    return session


def _log_call(outcome: str, start: float, level: int) -> None:
    logger.log(level, "Zephr call: %s after %d ms", outcome, (time.perf_counter() - start) * 1000)


@functools.lru_cache(maxsize=1)
def _client(zephr: conf.ZephrSettings, pid: int) -> ZephrClient:
    # By process id, as a connection must not be shared across a fork. A client that is replaced is
    # not closed here, for others may be in the middle of a call; its connections close with it.
    return ZephrClient(
        zephr.base_url,
        zephr.access_key,
        zephr.secret_key,
        timeout=zephr.timeout,
        connect_timeout=zephr.connect_timeout,
    )


def _cache_key(zephr: conf.ZephrSettings, session_id: str) -> str:
    # Hashed: an id may be longer than a key can be and hold what a key cannot, and whoever reads
    # the cache's keys should not learn it.
    parts = json.dumps([zephr.base_url, zephr.access_key, session_id])
    return f"jay_sessions.zephr.{hashlib.sha256(parts.encode()).hexdigest()}"


def _cached(key: str, zephr: conf.ZephrSettings) -> ZephrSession | None:
    if not zephr.cache_timeout and not zephr.not_found_cache_timeout:
        return None
    entry = None
    with _without_cache_if_need_be():
        entry = cache.get(key)
    match entry:
        case {"raw": None} if zephr.not_found_cache_timeout:
            raise ZephrSessionNotFound("Zephr does not know this session (cached).")
        case {"raw": dict(raw)} if zephr.cache_timeout:
            return ZephrSession.parse(raw)
    return None


def _remember(key: str, raw: Mapping[str, Any] | None, timeout: int) -> None:
    if timeout:
        with _without_cache_if_need_be():
            cache.set(key, {"raw": raw}, timeout)


@contextlib.contextmanager
def _without_cache_if_need_be() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 (every backend has its own)
        # By name only: its words may hold the password of the cache.
        logger.warning("The cache failed, Zephr is asked instead: %s", type(error).__name__)
