"""Work on all sessions that match, up to a limit for one request."""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest


def limited(batches: Iterable[int], most: int, log: Callable[[int], None]) -> int:
    """Go on until so many sessions are done, and return how many are.

    `batches` does the work, and yields how many sessions each batch had. `log` is called once with the sum,
    also if the work breaks off.
    """
    count = 0
    try:
        for done in batches:
            count += done
            if count >= most:
                break
    finally:
        if count:
            log(count)
    return count


def in_the_log(count: int) -> str:
    """Return what the log calls so many sessions."""
    return f"{count} tracking sessions"


def tell(model_admin: Any, request: HttpRequest, said: str, more: str) -> None:
    """Tell the operator what was done, as a warning if there is `more` to say."""
    level = messages.WARNING if more else messages.SUCCESS
    model_admin.message_user(request, f"{said} {more}".strip(), level)
