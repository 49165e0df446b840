"""Clocks that are off while a site runs: its own, or that of a host that shares its database."""

import time

from ..support import servers
from ..support.clients import Connection
from ..support.servers import PATH
from ..support.shifted_clock import shifted_clock
from .cases import MARKS, each
from .variants import ASGI_GROUP, GRANIAN_GROUP, GUNICORN_DIRECT, LIFETIME, with_more

pytestmark = MARKS

HOUR, DAY = 3600, 86_400


@each(GRANIAN_GROUP, further=[ASGI_GROUP])
def test_the_sites_clock_jumps_beyond_the_lifetime_and_back(stage, variant):
    with shifted_clock() as clock, stage(with_more(variant, **clock.environment())) as at:
        with at.load() as load:
            assert load.settle(quiet=2.0)
        clock.shift(LIFETIME + DAY)
        # Longer than END_PROPAGATION: each process forgets what has expired.
        with at.load() as ahead:
            assert ahead.settle(quiet=variant.end_propagation + 1.0)
        clock.shift(0)
        over = time.monotonic()
        at.conclude(load, over, settled=True)


@each(GUNICORN_DIRECT, further=[ASGI_GROUP])
def test_hosts_that_are_ahead_purge_and_count(stage, variant):
    def manage(by, *words):
        with shifted_clock(by) as clock:
            return servers.manage({**servers.example_site(at.url), **kept, **clock.environment()}, *words)

    kept = {"JAY_SESSION_LIFETIME": str(LIFETIME), "JAY_RETENTION": str(LIFETIME)}
    with stage(variant) as at:
        with at.load() as load:
            assert load.settle(quiet=2.0)
            manage(10 * DAY, "jay_rollup_sessions")
            assert manage(LIFETIME + HOUR, "jay_purge_sessions").endswith("0 sessions purged.")
            over = time.monotonic()
            settled = load.settle()
        at.conclude(load, over, settled=settled)
        manage(0, "jay_rollup_sessions")
        with Connection(at.site.server) as connection:
            days = connection.ask("GET", PATH.replace("/session", "/statistics")).said["data"]
        assert sum(day["sessions"] for day in days) == at.site.server.rows()
