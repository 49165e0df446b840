"""What the tests of the Zephr gateway share: answers that are held back, and waiting for what others do."""

import json
import threading

from .zephr_wire import answer, sending

LOCAL_CACHE = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


def waiting(flights):
    """How many threads wait for others."""
    return sum(flight.others for flight in list(flights._flights.values()))


def refusing(status="500 Internal Server Error", **headers):
    # The stand-in closes the connection after a fault; who is not told would try it again.
    return sending(answer(b"{}", status, Connection="close", **headers))


class Held:
    """A fault: answers nobody until it is let go, then each with the same bytes."""

    def __init__(self, data):
        self.data = data
        self.go_on = threading.Event()

    @classmethod
    def session(cls, session):
        return cls(answer(json.dumps(session).encode(), Connection="close"))

    def __call__(self, handler):
        self.go_on.wait(10)
        handler.connection.sendall(self.data)
