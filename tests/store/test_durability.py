"""What is acknowledged is stored, whatever is killed: the site, or the PostgreSQL under it."""

import tempfile
import time
from pathlib import Path

import pytest

from ..support import durability, postgres_server, servers
from ..support.durability import Load, Variant
from ..support.summary import Summary

pytestmark = [pytest.mark.server, pytest.mark.durability, pytest.mark.timeout(300)]

AS_IT_IS = pytest.param(Variant(), 5_001, id="as it is")
GROUP = [
    pytest.param(Variant(recorder="group"), 5_001, id="group"),
    pytest.param(Variant(recorder="group", server="granian, ASGI"), 5_001, id="group, ASGI"),
    pytest.param(
        Variant({"CONN_MAX_AGE": 0}, recorder="group", server="preloading"), 301, id="group, preloading"
    ),
]
PARTITIONED = pytest.param(Variant(recorder="group", partitions="day"), 301, id="group, partitioned")
VARIANTS = [
    pytest.param(Variant({"CONN_MAX_AGE": 0, "ATOMIC_REQUESTS": True}), 301, id="atomic, unpersistent"),
    pytest.param(
        Variant({"CONN_MAX_AGE": 60, "ATOMIC_REQUESTS": True}, receiver_raises=True),
        301,
        id="atomic, persistent, receiver raises",
    ),
]


@pytest.fixture(scope="module")
def _summary(request):
    return Summary(request.config, "durability")


@pytest.fixture
def durability_report(_summary, request):
    """Count what became of an ended load, and say so at the end of the run, for good or bad."""

    def count(load: Load) -> durability.Outcome:
        outcome = durability.outcome(load)
        _summary.note(request, outcome)
        return outcome

    return count


@pytest.fixture(scope="module")
def migrated():
    with postgres_server.migrated() as found:
        yield found


@pytest.fixture
def postgres(migrated):
    return migrated.server.ensure_running()


@pytest.fixture
def serve(postgres, migrated):
    """Serve the site, or a variant of it, with a new database."""

    def serve(variant):
        url = migrated.new_database()
        if variant.partitions:
            variant.partition(url)
        return durability.site(url, migrated.key, variant)

    return serve


def assert_nothing_is_lost(outcome, at_least):
    assert outcome.wrong == []
    assert outcome.acknowledged >= at_least
    assert (outcome.lost, outcome.duplicates) == (0, 0)
    # One attempt that nobody answered for certain stands behind each row that nobody was told of.
    assert outcome.unacknowledged <= outcome.refused + outcome.cut_off


@pytest.mark.parametrize(("variant", "goal"), [AS_IT_IS, *GROUP, *VARIANTS, PARTITIONED])
def test_no_session_is_lost_when_the_site_is_killed(serve, durability_report, *, variant, goal):
    kills = 3
    with serve(variant) as site:
        with Load(site.server) as load:
            for _ in range(kills):
                load.wait_for("acknowledged", goal // kills)
                in_flight = load.counts["cut off"]
                site.kill()
                load.wait_for("unreached", 1)
                assert load.counts["cut off"] > in_flight
                site.start()
            load.wait_for("acknowledged", 1)
        outcome = durability_report(load)
        assert ("The receiver raised." in site.log()) == variant.receiver_raises
    assert_nothing_is_lost(outcome, goal)
    assert outcome.refused == 0


@pytest.mark.parametrize("mode", ["immediate", "fast"])
@pytest.mark.parametrize(("variant", "goal"), [AS_IT_IS, *GROUP[:2], *VARIANTS])
def test_no_session_is_lost_when_postgresql_stops(serve, postgres, durability_report, *, mode, variant, goal):
    stops = 2
    with serve(variant) as site:
        with Load(site.server) as load:
            for _ in range(stops):
                load.wait_for("acknowledged", goal // (stops + 1))
                postgres.stop(mode)
                stopped = time.monotonic()
                load.wait_for("refused", 50)
                starting = time.monotonic()
                postgres.start()
                started = time.monotonic()
                load.wait_for("acknowledged", 100)
                # What was sent meanwhile but answered later may have waited for a thread of the site.
                assert not [a for a in load.of("acknowledged") if stopped < a.sent and a.answered < starting]
                # Who asks once it has come back is served at once.
                assert not [a for a in load.of("refused") if a.sent > started]
            load.wait_for("acknowledged", goal // (stops + 1))
        outcome = durability_report(load)
    assert_nothing_is_lost(outcome, goal)
    assert outcome.refused >= 50 * stops
    assert (outcome.cut_off, outcome.unreached) == (0, 0)


@pytest.mark.parametrize("recorder", ["direct", "group"])
def test_connections_that_slept_while_postgresql_restarted_refuse_nothing(
    serve, postgres, durability_report, *, recorder
):
    with serve(Variant({"CONN_MAX_AGE": None}, recorder=recorder)) as site:
        with Load(site.server) as before:
            before.wait_for("acknowledged", 200)
        postgres.stop("fast")
        postgres.start()
        with Load(site.server) as load:
            load.wait_for("acknowledged", 200)
        outcome = durability_report(load)
    assert_nothing_is_lost(outcome, 200)
    assert outcome.acknowledged == len(load.attempts)


def test_tables_that_were_partitioned_under_load_lose_no_session_and_revive_none_when_postgresql_stops(
    migrated, postgres, durability_report
):
    variant, url = Variant(recorder="group", partitions="day"), migrated.new_database()

    def ask(method, token=""):
        status, headers = site.server.call(method, f"{servers.PATH}?user_id=ada", X_JAY_TRACKING=token)
        return status, headers["X-JAY-TRACKING"]

    with durability.site(url, migrated.key, variant) as site:
        tokens = [ask("POST")[1] for _ in range(40)]
        with Load(site.server) as load:
            assert {ask("DELETE", token)[0] for token in tokens[:20]} == {200}
            load.wait_for("acknowledged", 200)
            assert "made" in variant.partition(url, "--attach")
            assert {ask("DELETE", token)[0] for token in tokens[20:30]} == {200}
            load.wait_for("acknowledged", 200)
            postgres.stop("immediate")
            load.wait_for("refused", 50)
            postgres.start()
            load.wait_for("acknowledged", 100)
        assert [ask("GET", token)[0] for token in tokens] == [400] * 30 + [200] * 10
        outcome = durability_report(load)
    assert_nothing_is_lost(outcome, 500)
    assert (outcome.cut_off, outcome.unreached) == (0, 0)


def test_eight_writers_in_two_processes_share_an_sqlite_file(durability_report):
    goal = 3_000
    with tempfile.TemporaryDirectory(prefix="durability-") as directory:
        url = f"sqlite:///{Path(directory) / 'site.sqlite3'}"
        key = servers.prepare(servers.example_site(url))
        with durability.site(url, key) as site, Load(site.server, clients=8) as load:
            load.wait_for("acknowledged", goal)
        outcome = durability_report(load)
    assert_nothing_is_lost(outcome, goal)
    assert outcome.acknowledged == len(load.attempts)
    assert outcome.unacknowledged == 0
