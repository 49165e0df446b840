"""What docs/zephr.md says is so."""

import asyncio
import io
import json
import re
import subprocess
import sys
import unittest

import pytest
from django.core.management import call_command
from django.test import AsyncRequestFactory

from jay_sessions import conf
from jay_sessions.exceptions import ZephrSessionNotFound
from jay_sessions.signals import zephr_answered, zephr_attempted
from jay_sessions.zephr import gateway
from project.zephr_demo_sessions import DEMO_SESSIONS

from ..support.pages import blocks, page, section
from ..support.servers import ROOT, free_port

pytest_plugins = ["tests.support.zephr_gateway_fixtures"]

TEXT = page("docs/zephr.md")
TRY, LOOK_UP, ASYNC_VIEW, SITE_TESTS, RECEIVERS = blocks(TEXT, "python")
KNOWN = next(iter(DEMO_SESSIONS))


@pytest.fixture
def receivers():
    """What the example that counts defines."""
    names = {}
    exec(RECEIVERS, names)
    yield names
    zephr_attempted.disconnect(names["count_request"])
    zephr_answered.disconnect(names["count_answer"])


def test_whoever_has_no_zephr_tries_it_with_a_stand_in(settings, set_zephr):
    command, port = blocks(section(TEXT, "Try it without Zephr"), "sh")[0].split(), str(free_port())
    command[command.index("8001")] = port
    with subprocess.Popen(
        [sys.executable, *command[1:]], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            known = [process.stdout.readline().strip() for _ in range(4)][1:]
            names = {}
            exec(TRY.replace("8001", port), names)
            settings.JAY_SESSIONS = names["JAY_SESSIONS"]
            said = io.StringIO()
            call_command("jay_ping_zephr", stdout=said)
            assert "Key pair: accepted" in said.getvalue()
            assert [gateway.get_session(one).raw for one in known] == list(DEMO_SESSIONS.values())
        finally:
            process.terminate()


def test_the_example_looks_a_session_up(stand_in, capsys):
    exec(LOOK_UP, {})
    assert capsys.readouterr().out == f"hit 0 {DEMO_SESSIONS[KNOWN].get('user_id')}\n"


def test_the_async_view_awaits_a_session(stand_in):
    names = {}
    exec(ASYNC_VIEW, names)
    response = asyncio.run(names["account"](AsyncRequestFactory().get("/"), KNOWN))
    assert json.loads(response.content) == {"user": DEMO_SESSIONS[KNOWN].get("user_id")}


def test_the_tests_of_a_site_pass(set_zephr):
    names = {"__name__": "site_tests"}
    exec(SITE_TESTS, names)
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(names["AccountTests"]).run(result)
    assert (result.testsRun, result.errors, result.failures) == (2, [], [])


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


def test_the_defaults_of_the_settings_page_are_those_of_the_app(settings):
    settings.JAY_SESSIONS = {"ZEPHR": {"TENANT": "acme", "ACCESS_KEY": "a", "SECRET_KEY": "b"}}
    _, *names = page("docs/settings.md").partition("\n## In `ZEPHR`\n")[2].split("\n### ")
    default = re.compile(r"`([A-Z_]+)`\n.*^- Default: `(\d+)(?:\.0)?`$", re.DOTALL | re.MULTILINE)
    rows = [match.groups() for match in map(default.match, names) if match]
    assert len(rows) == 9
    for name, default in rows:
        assert getattr(conf.get().zephr, name.lower()) == int(default)
        assert name in conf.declared(conf.ZephrSettings)
