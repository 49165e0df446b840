"""The example site with a middleware that marks the answers it sees; see test_servers.py."""

from project.settings import *  # noqa: F403
from project.settings import MIDDLEWARE


def mark(get_response):
    def middleware(request):
        response = get_response(request)
        response["X-Marked"] = "1"
        return response

    return middleware


MIDDLEWARE = [*MIDDLEWARE, "tests.support.lane_settings.mark"]
