"""What the checks say of the network to the database."""

import pytest

from jay_sessions.checks.network import NEEDED

from .test_database import POSTGRESQL
from .test_settings import found

HOST = "db.example.com"


@pytest.mark.parametrize("missing", [*NEEDED])
def test_a_network_that_may_fall_silent_is_warned_of(database, missing):
    options = {name: value for name, value in NEEDED.items() if name != missing}
    database(ENGINE=POSTGRESQL, HOST=HOST, OPTIONS=options)
    assert "W121" not in found()
    message = found(deploy=True)["W121"]
    assert HOST in message.msg
    assert f'{{"{missing}": {NEEDED[missing]}}}' in message.hint


@pytest.mark.parametrize(
    "changes",
    [
        {"ENGINE": POSTGRESQL, "HOST": HOST, "OPTIONS": {**NEEDED, "connect_timeout": 5}},
        {"ENGINE": POSTGRESQL, "HOST": "", "OPTIONS": {}},
        {"ENGINE": POSTGRESQL, "HOST": "/var/run/postgresql", "OPTIONS": {}},
        {"ENGINE": POSTGRESQL, "HOST": HOST, "OPTIONS": {"service": "site"}},
        {"ENGINE": "django.db.backends.sqlite3", "HOST": "", "OPTIONS": {}},
    ],
    ids=["all", "socket", "named_socket", "service", "sqlite"],
)
def test_what_cannot_or_has_its_limits_is_fine(database, changes):
    database(**changes)
    assert "W121" not in found(deploy=True)


@pytest.mark.parametrize(
    ("pool", "health_checks", "said"),
    [
        (True, False, "for 30 seconds"),
        ({}, False, None),
        ({"max_size": 10}, False, "for 30 seconds"),
        ({"timeout": 10}, False, "for 10 seconds"),
        ({"timeout": 3}, False, None),
        ({"timeout": 3}, True, "forever"),
        (False, True, None),
    ],
)
def test_a_pool_that_is_waited_for_too_long_is_warned_of(database, pool, health_checks, said):
    options = {**NEEDED, "pool": pool}
    database(ENGINE=POSTGRESQL, HOST=HOST, OPTIONS=options, CONN_HEALTH_CHECKS=health_checks)
    message = found(deploy=True).get("W122")
    assert (message is not None) == (said is not None)
    if said is not None:
        assert said in message.msg
        assert '{"pool": {"timeout": 3}}' in message.hint


def test_it_is_measured_by_the_time_that_the_database_has(database, setting):
    setting(DATABASE_TIMEOUT=12)
    options = {**NEEDED, "pool": {"timeout": 10}}
    database(ENGINE=POSTGRESQL, HOST=HOST, OPTIONS=options, CONN_HEALTH_CHECKS=False)
    assert "W122" not in found(deploy=True)
