"""Admin views with a time limit: 503 if the database does not answer in time, or not at all."""

import functools
from collections.abc import Callable
from typing import Any

from django.db import connections, router, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from ..api.errors import RETRY_AFTER
from ..database.attempts import LONG
from ..database.queries import ask, ask_once
from ..exceptions import StoreNotMigrated, StoreUnavailable
from ..models import TrackingSession

View = Callable[..., HttpResponseBase]


def bounded(view: View) -> View:
    """Return the view with a limit on its wait for the database, of `attempts.LONG` seconds.

    In a view that changes something, the limit holds for each statement, as a deletion takes many. A template
    that is rendered later has a limit of its own. A streamed answer must limit each of its pieces itself.
    """

    @functools.wraps(view)
    def with_end(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        is_safe = request.method in ("GET", "HEAD", "OPTIONS")
        response = _answered(lambda: view(request, *args, **kwargs), again=is_safe)
        if not getattr(response, "is_rendered", True):
            render = response.render  # type: ignore[attr-defined]
            response.render = lambda: _answered(render, again=False)  # type: ignore[attr-defined]
        return response

    return with_end


def _answered(answer: Callable[[], HttpResponseBase], *, again: bool) -> HttpResponseBase:
    read, write = router.db_for_read(TrackingSession), router.db_for_write(TrackingSession)
    replica = None if read == write else read
    try:
        if again:
            return ask(write, lambda is_again: answer(), seconds=LONG, replica=replica)
        return ask_once(write, answer, seconds=LONG, replica=replica)
    except StoreNotMigrated:
        raise
    except StoreUnavailable:
        if connections[write].in_atomic_block:
            # `ATOMIC_REQUESTS` would commit: there is nothing to commit, and the connection may be lost.
            transaction.set_rollback(True, using=write)
        text = _("The database does not answer. Try again in a few seconds.")
        headers = {"Retry-After": str(RETRY_AFTER)}
        return HttpResponse(f"{text}\n", "text/plain; charset=utf-8", 503, headers=headers)
