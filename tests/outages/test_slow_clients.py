"""Clients by the thousand that connect and say nothing, or never come to the end of what they say."""

import contextlib
import dataclasses
import socket
import time

from ..support import nginx
from ..support.open_files import open_files
from ..support.servers import PATH
from .cases import MARKS, each
from .variants import ASGI_DIRECT, ASGI_GROUP, GRANIAN_DIRECT, GRANIAN_GROUP, GUNICORN_GROUP, UVICORN_GROUP

pytestmark = MARKS

IDLE, SLOW, ENDLESS = 1_500, 300, 64
NEEDED = 3 * (IDLE + SLOW)


def crowded(at, *, idle=0, slow=0, endless=0):
    """Let so many clients say nothing, the beginning of a request, and the beginning of a body."""
    head = [f"POST {PATH} HTTP/1.1", "Host: 127.0.0.1", f"X-API-Key: {at.site.server.key}"]
    head += ["Content-Type: application/json", "Content-Length: 60000", "", "{"]
    sent = [b""] * idle + [f"POST {PATH} HTTP/1.1\r\nHost: ".encode()] * slow
    sent += ["\r\n".join(head).encode()] * endless
    with at.load() as load, contextlib.ExitStack() as clients:
        assert load.settle(quiet=1.0)
        began = time.monotonic()
        for words in sent:
            address = ("127.0.0.1", at.site.server.port)
            clients.enter_context(socket.create_connection(address, timeout=10)).sendall(words)
        settled = load.settle(quiet=6.0)
    verdict = at.conclude(load, began, settled=settled)
    assert verdict.recovered == 0.0


@each(GRANIAN_DIRECT, further=[ASGI_GROUP, UVICORN_GROUP])
def test_clients_connect_and_say_nothing(stage, variant):
    with open_files(NEEDED), stage(variant) as at:
        crowded(at, idle=IDLE, slow=SLOW)


@each(ASGI_DIRECT, further=[UVICORN_GROUP])
def test_bodies_that_never_end_under_asgi(stage, variant):
    with open_files(NEEDED), stage(variant) as at:
        crowded(at, slow=SLOW, endless=ENDLESS)


@each(GUNICORN_GROUP, further=[GRANIAN_GROUP])
def test_idle_and_slow_clients_and_bodies_that_never_end_before_nginx(stage, variant, tmp_path):
    with (
        open_files(NEEDED),
        stage(variant) as at,
        nginx.before(at.site.server.port, tmp_path) as port,
    ):
        at.site.server = dataclasses.replace(at.site.server, port=port)
        crowded(at, idle=IDLE, slow=SLOW, endless=ENDLESS)
