"""The fast lane: a WSGI middleware that answers the ordinary tracking POST and GET without Django's handler.

    application = FastLane(get_wsgi_application())

It uses the modules that the views use, and hands everything else on to Django untouched: other paths,
all errors, a key that this process does not know at present, a body, an `Origin`, a host that is not
allowed. Of the site's middleware it adds the headers of those that `lane_site.py` names; a system check
(`jay_sessions.W106`) names the others.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any

logger = logging.getLogger("jay_sessions")

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class FastLane:
    """Wraps the WSGI application of a Django site, which `get_wsgi_application()` has set up by then."""

    def __init__(self, application: Application) -> None:
        # Not above: a `wsgi.py` imports this module before there are settings.
        from . import lane_answers

        self._application = application
        self._answers = lane_answers.Answers()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            answer = self._answers.answer(environ)
        except Exception:
            # Django answers it, and reports what is wrong there as well.
            logger.exception("The fast lane failed; the request is handed on.")
            answer = None
        if answer is None:
            return self._application(environ, start_response)
        headers, body = answer
        start_response("200 OK", headers)
        return [body]
