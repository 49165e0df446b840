"""More clients, who all want the same thing all the time, and whose answers are only counted."""

import collections
import secrets
from collections.abc import Callable

from ..support.clients import Clients, Connection, Reply
from ..support.servers import Server

PAUSE = 0.05
"""Seconds between a client's requests."""


def with_a_made_up_key(connection: Connection) -> Reply:
    """Try to start a session with a key that nobody has issued."""
    return connection.ask("POST", key=f"jay_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}")


class Crowd(Clients):
    """So many clients, at work in the block; each calls `ask` with its connection again and again.

    `statuses` counts what they were answered, 0 where nothing came, and `without_time` each 503 that did not
    say when to come again; `slowest` is in seconds.
    """

    def __init__(self, server: Server, clients: int, ask: Callable[[Connection], Reply]) -> None:
        super().__init__(server, grace=0.0)
        self.statuses: collections.Counter[int] = collections.Counter()
        self.without_time = 0
        self.slowest = 0.0
        for _ in range(clients):
            self.add(self._client, ask)

    def _client(self, connection: Connection, ask: Callable[[Connection], Reply]) -> None:
        while not self.ended.wait(PAUSE):
            reply = ask(connection)
            if self.ended.is_set():
                return
            with self.lock:
                self.statuses[reply.status] += 1
                self.without_time += reply.status == 503 and not reply.headers["Retry-After"]
                self.slowest = max(self.slowest, reply.answered - reply.sent)
