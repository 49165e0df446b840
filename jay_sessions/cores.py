"""A processor core for each worker process, where `PIN_WORKERS` asks for it.

Python runs one thread of a process at a time. Left to itself, the kernel spreads them over the cores all
the same, so that each change of threads finds the caches of another core, and wakes that core up.
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
"""What the names begin with by which workers see each other."""

MOST_WORKERS = 64
"""Workers on one core that are told apart; those beyond stay where the kernel puts them."""

_lock = threading.Lock()
_is_settled = False
_claims: list[socket.socket] = []


def can_pin() -> bool:
    """Say whether this system has what it takes: that is Linux."""
    return hasattr(os, "sched_setaffinity") and Path("/proc/self/task").is_dir()


def settle(**kwargs: object) -> None:
    """Keep this process to the core that the fewest workers have taken, at the first call and if it should.

    Called by a worker's first request: a server that preloads has forked by then. Workers of all sites
    of the machine count, those in other network namespaces (containers) do not.
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
                logger.warning("The worker keeps to no core: %s", error.strerror)
        _is_settled = True


def _is_wanted() -> bool:
    try:
        return conf.get().pin_workers and can_pin()
    except ImproperlyConfigured:
        # Whoever needs the settings says so.
        return False


def _claimed(cores: list[int]) -> int | None:
    # A name in Linux's abstract namespace is free again once its process has ended, however it did.
    for place in range(MOST_WORKERS):
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
    # Until there is no thread that one of the others has started meanwhile.
    while found := set(os.listdir("/proc/self/task")) - kept:  # noqa: PTH208 (names are enough)
        for task in found:
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(task), {core})
        kept |= found
