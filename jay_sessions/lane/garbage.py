"""Takes everything that a worker has loaded out of Python's garbage collection, once.

Django and the site are more than 100,000 objects that stay until the worker ends. Without this, each full
collection looks at all of them, and all requests of the worker wait for more than 100 ms.
"""

import gc

_is_frozen = False


def freeze() -> None:
    """Collect garbage, and let later collections look only at newer objects; does so once in each process.

    The lane calls it before its first answer. By then a server that preloads has forked, and the views have
    answered a request, so what they load at their first request is there.
    """
    global _is_frozen  # noqa: PLW0603 (once in each process)
    if not _is_frozen:
        _is_frozen = True
        gc.collect()
        gc.freeze()
