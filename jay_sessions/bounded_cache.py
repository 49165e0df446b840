"""All access to Django's default cache. A caller waits at most 0.5 s for a cache on the network.

`core/side_threads.py` asks a cache on the network. If it does not answer in time, it is not asked for 5 s.
A cache in the database is asked like every table (`database/queries.py`), within `DATABASE_TIMEOUT`. A cache
in this process's memory or in files is asked directly, without a limit.
"""

import enum
import functools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.core.cache import DEFAULT_CACHE_ALIAS, caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.signals import setting_changed
from django.db import router
from django.utils.module_loading import import_string

from . import conf
from .core.side_threads import LIMIT, PAUSE, SideThreads
from .database import leases, queries

T = TypeVar("T")

TIME_OUTS: dict[str, dict[str, float]] = {
    "django.core.cache.backends.redis.RedisCache": {"socket_timeout": LIMIT},
    "django.core.cache.backends.memcached.PyMemcacheCache": {"timeout": LIMIT, "connect_timeout": LIMIT},
}
"""By backend: OPTIONS, in seconds, that free a thread that hangs. The site's own values win."""


class Kind(enum.Enum):
    """Where a cache is: in this process's memory; in files or the database; or on the network."""

    MEMORY = enum.auto()
    PLACE = enum.auto()
    NETWORK = enum.auto()


class _Guard:
    """What this process knows about the cache in the settings."""

    def __init__(self) -> None:
        backend = type(caches[DEFAULT_CACHE_ALIAS])
        self.counts_exactly = not issubclass(backend, LocMemCache)
        if issubclass(backend, LocMemCache | DummyCache):
            self.kind = Kind.MEMORY
        elif issubclass(backend, FileBasedCache | DatabaseCache):
            self.kind = Kind.PLACE
        else:
            self.kind = Kind.NETWORK
            # The first use may import a library, and that takes longer than an operation may.
            getattr(caches[DEFAULT_CACHE_ALIAS], "_cache", None)
        self.databases = _databases() if issubclass(backend, DatabaseCache) else frozenset()
        self.threads: SideThreads[BaseCache] = SideThreads(_made)


class _Guards:
    """The guard of this process: made at the first use, and again after a fork or a change of settings."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: _Guard | None = None
        self._of_parents: list[_Guard | None] = []
        os.register_at_fork(after_in_child=self._begin_anew)

    def get(self) -> _Guard:
        made = self._made
        if made is None:
            with self._lock:
                made = self._made = self._made or _Guard()
        return made

    def forget(self) -> None:
        with self._lock:
            made, self._made = self._made, None
        if made is not None:
            made.threads.close()

    def _begin_anew(self) -> None:
        # The threads belong to the parent, and one of them may have held the lock. The guard is kept, so
        # that the garbage collector does not close connections that the parent still uses.
        self._lock = threading.Lock()
        self._of_parents.append(self._made)
        self._made = None


_guards = _Guards()
_warned: dict[str, float] = {}


def name(rest: str) -> str:
    """Return the cache key for `rest`, with a prefix for this site: sites may share a cache."""
    return f"jay_sessions.{conf.get().site}.{rest}"


def is_local_memory() -> bool:
    """Say whether the cache is Django's `LocMemCache`: when it is full, it drops entries at random."""
    return not _guards.get().counts_exactly


def ask(operation: Callable[[BaseCache], T]) -> T:
    """Call `operation` with the cache, and return its result.

    Raises what the operation raises; `side_threads.Silent` if the cache does not answer in time, or is not
    asked for now; StoreUnavailable if the cache is in a database that does not answer.
    """
    guard = _guards.get()
    if guard.kind is Kind.NETWORK:
        return guard.threads.do(operation)
    return _within(guard.databases, lambda: operation(caches[DEFAULT_CACHE_ALIAS]))


async def aask(operation: Callable[[BaseCache], T]) -> T:
    """As `ask`, for a task. The event loop is not blocked."""
    guard = _guards.get()
    if guard.kind is Kind.NETWORK:
        return await guard.threads.ado(operation)
    if guard.kind is Kind.MEMORY:
        return operation(caches[DEFAULT_CACHE_ALIAS])
    with leases.wanted():
        return await sync_to_async(ask, thread_sensitive=False)(operation)


def _within(databases: Iterable[str], use: Callable[[], T]) -> T:
    """Call `use` and return its result; `database.queries.ask` limits the wait for each database."""
    for alias in databases:
        use = functools.partial(_asked, alias, use)
    return use()


def _asked(alias: str, use: Callable[[], T]) -> T:
    return queries.ask(alias, lambda again: use())


def _databases() -> frozenset[str]:
    model = caches[DEFAULT_CACHE_ALIAS].cache_model_class  # type: ignore[attr-defined]
    return frozenset({router.db_for_read(model), router.db_for_write(model)})


def warn(logger: logging.Logger, line: str, error: Exception) -> None:
    """Log that the cache failed, at most once in 5 s for each line. `line` has one `%s`.

    Only the name of the exception is logged: its message may hold the password of the cache.
    """
    now = time.monotonic()
    if now - _warned.get(line, -PAUSE) >= PAUSE:
        _warned[line] = now
        logger.warning(line, type(error).__name__)


def forget() -> None:
    """Forget everything about the cache, as if it had never been asked."""
    _guards.forget()
    _warned.clear()


def _made() -> BaseCache:
    params = caches.settings[DEFAULT_CACHE_ALIAS].copy()
    backend, location = params.pop("BACKEND"), params.pop("LOCATION", "")
    if backend in TIME_OUTS:
        params["OPTIONS"] = {**TIME_OUTS[backend], **params.get("OPTIONS", {})}
    cache: BaseCache = import_string(backend)(location, params)
    return cache


def _changed(*, setting: str, **kwargs: Any) -> None:
    if setting == "CACHES":
        forget()


setting_changed.connect(_changed, dispatch_uid="jay_sessions.bounded_cache")
