"""Keeps each worker process on one processor core, if `PIN_WORKERS` is on.

Python runs one thread of a process at a time, but the kernel spreads the threads over all cores. Then each
switch between threads wakes another core, with other data in its caches.
"""

import contextlib
import logging
import os
import socket
import threading
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from . import conf

logger = logging.getLogger("jay_sessions")

NAME = "jay_sessions.core"
"""Prefix of the socket names by which workers see each other."""

MAX_WORKERS = 64
"""The most workers on one core. The kernel places further workers."""

_lock = threading.Lock()
_is_settled = False
_claims: list[socket.socket] = []


def can_pin() -> bool:
    """Say whether this system supports it: only Linux does."""
    return hasattr(os, "sched_setaffinity") and Path("/proc/self/task").is_dir()


def settle(**kwargs: object) -> None:
    """Keep this process on the core with the fewest workers, if `PIN_WORKERS` is on; once only.

    A worker's first request calls it: by then, a server that preloads has forked. Workers of all sites on
    this machine count; workers in other network namespaces (containers) do not.
    """
    global _is_settled  # noqa: PLW0603 (once in each process)
    if _is_settled:
        return
    with _lock:
        if not _is_settled and _is_wanted():
            try:
                _keep_to(_claimed(sorted(os.sched_getaffinity(0))))
            except OSError as error:
                _claims.pop().close()
                logger.warning("The worker is not pinned to a core: %s", error.strerror)
        _is_settled = True


def _is_wanted() -> bool:
    try:
        return conf.get().pin_workers and can_pin()
    except ImproperlyConfigured:
        # The request itself reports the wrong settings.
        return False


def _claimed(cores: list[int]) -> int | None:
    # A name in Linux's abstract namespace is free again as soon as its process has ended, even by a crash.
    for place in range(MAX_WORKERS):
        for core in cores:
            claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                claim.bind(f"\0{NAME}.{core}.{place}")
            except OSError:
                claim.close()
            else:
                _claims.append(claim)
                return core
    return None


def _keep_to(core: int | None) -> None:
    if core is None:
        return
    kept: set[str] = set()
    # Repeated, because a thread may start others meanwhile.
    while tasks := set(os.listdir("/proc/self/task")) - kept:  # noqa: PTH208 (names are enough)
        for task in tasks:
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(task), {core})
        kept |= tasks
