"""A host whose clock is off removes nothing that others need, and counts nothing that is still to come."""

import contextlib
import time

import psycopg
import pytest

from ..support import servers
from ..support.other_process import other_process
from ..support.shifted_clock import shifted_clock

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

HOUR, DAY = 3600, 86_400
LIFETIME = 3 * DAY
SITE = {"JAY_SESSION_LIFETIME": str(LIFETIME), "JAY_RETENTION": str(LIFETIME)}
PROPAGATING = {**SITE, "JAY_END_PROPAGATION": "4"}
DUE = 5


@pytest.fixture
def url(tmp_path):
    """The URL of a PostgreSQL database with the site's tables; its clock is right."""
    with servers.new_database(tmp_path) as url:
        if not url.startswith("postgres"):
            pytest.skip("An SQLite has the clock of the host.")
        servers.manage(servers.example_site(url), "migrate", "--verbosity", "0")
        yield url


def rows(url, sql):
    with contextlib.closing(psycopg.connect(url)) as connection:
        return connection.execute(sql).fetchall()


def manage(url, clock, *words):
    return servers.manage({**servers.example_site(url), **SITE, **clock.environment()}, *words)


def test_a_purge_on_a_host_that_is_ahead_revives_no_session(url):
    with shifted_clock() as clock, other_process(url, **SITE) as here:
        clock.shift(HOUR / 2 - LIFETIME)
        with other_process(url, **SITE, **clock.environment()) as past:
            ended = past.start()
            assert past.end(ended) == "1"
        clock.shift(HOUR)
        manage(url, clock, "jay_rollup_sessions")
        assert manage(url, clock, "jay_purge_sessions").endswith("0 sessions purged.")
        assert here.read(ended) == "not valid"


def test_a_purge_spares_what_a_host_that_is_behind_takes_for_valid(url):
    with shifted_clock() as clock, shifted_clock(-HOUR / 2) as late:
        clock.shift(-HOUR / 4 - LIFETIME)
        with other_process(url, **SITE, **clock.environment()) as past:
            ended = past.start()
            assert past.end(ended) == "1"
        clock.shift(0)
        manage(url, clock, "jay_purge_sessions")
        with other_process(url, **SITE, **late.environment()) as behind:
            assert behind.read(ended) == "not valid"


def test_a_clock_that_jumps_ahead_and_back_forgets_no_end(url):
    with (
        shifted_clock() as clock,
        other_process(url, **PROPAGATING) as here,
        other_process(url, **PROPAGATING, **clock.environment()) as there,
    ):
        ended, valid = here.start(), here.start()
        assert here.end(ended) == "1"
        assert (there.read(ended), there.read(valid)) == ("not valid", "valid")
        clock.shift(LIFETIME + DAY)
        time.sleep(DUE)
        # One that is within its lifetime by that clock, so that the process asks.
        assert there.read(there.start()) == "valid"
        clock.shift(0)
        assert (there.read(ended), there.read(valid)) == ("not valid", "valid")


def test_a_process_whose_clock_goes_back_learns_at_once_what_it_has_forgotten(url):
    with shifted_clock(-2 * DAY - LIFETIME) as clock, other_process(url, **PROPAGATING) as here:
        with other_process(url, **PROPAGATING, **clock.environment()) as past:
            ended = past.start()
            assert past.end(ended) == "1"
        clock.shift(0)
        with other_process(url, **PROPAGATING, **clock.environment()) as there:
            assert there.read(here.start()) == "valid"
            clock.shift(-3 * DAY)
            assert there.read(ended) == "not valid"


def test_an_end_on_a_host_that_is_ahead_removes_no_note_that_others_have_not_read(url):
    with (
        shifted_clock(3 * HOUR) as clock,
        other_process(url, **PROPAGATING) as here,
        other_process(url, **PROPAGATING) as there,
        other_process(url, **PROPAGATING, **clock.environment()) as ahead,
    ):
        first, second = here.start(), here.start()
        assert there.read(first) == "valid"
        assert here.end(first) == "1"
        assert ahead.end(second) == "1"
        time.sleep(DUE)
        assert (there.read(first), there.read(second)) == ("not valid", "not valid")


def test_a_run_of_the_rollups_on_a_host_that_is_ahead_leaves_the_numbers_alive(url):
    with shifted_clock(10 * DAY) as clock, other_process(url, **SITE) as here:
        here.start()
        manage(url, clock, "jay_rollup_sessions")
        here.start()
        assert rows(url, "SELECT rolled_until < now() FROM jay_rollup_state") == [(True,)]
        code = (
            "import datetime; from jay_sessions.analytics import site_days, statistics;"
            "day = site_days.today();"
            "one = datetime.timedelta(days=1); filters = statistics.Filters();"
            "print(statistics.total(filters, day - one, day + one).sessions)"
        )
        clock.shift(0)
        assert manage(url, clock, "shell", "--verbosity", "0", "-c", code) == "2"
