"""A database that falls silent: what it is sent arrives, and no answer comes."""

import time

from .cases import MARKS, each
from .variants import ASGI_DIRECT, ASGI_GROUP, GUNICORN_DIRECT, GUNICORN_GROUP, PLAIN_DIRECT

pytestmark = MARKS


@each(ASGI_GROUP, PLAIN_DIRECT, further=[GUNICORN_DIRECT, GUNICORN_GROUP, ASGI_DIRECT])
def test_open_connections_fall_silent_and_new_ones_work(stage, variant):
    with stage(variant) as at:
        with at.load() as load:
            assert load.settle(quiet=1.0)
            began = time.monotonic()
            assert at.proxy.silence_open() > 0
            settled = load.settle()
        at.conclude(load, began, settled=settled)
