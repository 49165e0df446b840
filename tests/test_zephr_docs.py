"""What docs/zephr.md says is so."""

import re

import pytest

from jay_sessions import conf
from jay_sessions.exceptions import ZephrSessionNotFound
from jay_sessions.signals import zephr_answered, zephr_attempted
from jay_sessions.zephr import gateway
from project.zephr_demo_sessions import DEMO_SESSIONS

from .pages import blocks, page

pytest_plugins = ["tests.zephr_gateway_fixtures"]

TEXT = page("docs/zephr.md")
LOOK_UP, RECEIVERS = blocks(TEXT, "python")
KNOWN = next(iter(DEMO_SESSIONS))


@pytest.fixture
def receivers():
    """What the example that counts defines."""
    names = {}
    exec(RECEIVERS, names)
    yield names
    zephr_attempted.disconnect(names["count_request"])
    zephr_answered.disconnect(names["count_answer"])


def test_the_example_looks_a_session_up(stand_in, capsys):
    exec(LOOK_UP, {})
    assert capsys.readouterr().out == f"hit 0 {DEMO_SESSIONS[KNOWN].get('user_id')}\n"


def test_the_receivers_count(stand_in, receivers):
    for _ in range(2):
        gateway.look_up(KNOWN)
    with pytest.raises(ZephrSessionNotFound):
        gateway.look_up("nobody")
    assert receivers["zephr_requests_total"] == {"OK": 1, "ZEPHR_SESSION_NOT_FOUND": 1}
    assert receivers["zephr_request_seconds_sum"]["OK"] > 0
    assert receivers["zephr_answers_total"] == {
        ("OK", "miss"): 1,
        ("OK", "hit"): 1,
        ("ZEPHR_SESSION_NOT_FOUND", "miss"): 1,
    }


def test_the_defaults_of_the_table_are_those_of_the_app(settings):
    settings.JAY_SESSIONS = {"ZEPHR": {"TENANT": "acme", "ACCESS_KEY": "a", "SECRET_KEY": "b"}}
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\d+) \|", TEXT, re.MULTILINE)
    assert len(rows) == 8
    for name, default in rows:
        assert getattr(conf.get().zephr, name.lower()) == int(default)
        assert name in conf.ZEPHR_PARSERS
