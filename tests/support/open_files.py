"""As many open files as a test with thousands of connections needs."""

import contextlib
import resource
from collections.abc import Iterator

from ..conftest import unavailable


@contextlib.contextmanager
def open_files(needed: int) -> Iterator[None]:
    """Let this process, and those that it starts in the block, have as many open files as they may.

    The test is skipped where that is less than `needed`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        unavailable(f"No process may have {needed} open files.")
    wanted = needed if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
