"""What the README says is so."""

import os
import re
import subprocess
import sys

import pytest
from asgiref.sync import async_to_sync
from django.core import checks
from django.test import AsyncRequestFactory, RequestFactory

from jay_sessions import conf, sessions
from jay_sessions.api import errors
from jay_sessions.middleware import TrackingSessionMiddleware
from jay_sessions.signals import session_started

from .conftest import PLAYOUT
from .pages import blocks, page, section
from .servers import ROOT

README = page("README.md")


@pytest.mark.django_db
def test_the_settings_are_all_there_and_as_they_stand_they_are_valid(settings, monkeypatch):
    monkeypatch.setenv("ZEPHR_ACCESS_KEY", "access")
    monkeypatch.setenv("ZEPHR_SECRET_KEY", "secret")
    names = {"os": os}
    exec(blocks(section(README, "Settings"), "python")[0], names)
    shown = names["JAY_SESSIONS"]
    assert set(shown) == {*conf.PARSERS, "ZEPHR"}
    assert {*shown["ZEPHR"], "BASE_URL"} == set(conf.ZEPHR_PARSERS)
    settings.JAY_SESSIONS = shown
    found = {check.id for check in checks.run_checks() if check.id.startswith("jay_sessions.")}
    assert found <= {"jay_sessions.W104"}  # the cache of the tests counts in one process alone


@pytest.mark.parametrize("name", ["SOURCE", "COOKIE_NAME", "COOKIE_SAMESITE", "COOKIE_DOMAIN"])
def test_settings_shown_without_a_remark_are_the_defaults(settings, name):
    names = {"os": os}
    text = blocks(section(README, "Settings"), "python")[0].partition('"ZEPHR"')[0] + "}"
    exec(text, names)
    settings.JAY_SESSIONS = {}
    assert names["JAY_SESSIONS"][name] == getattr(conf.get(), name.lower())


def test_the_errors_are_those_that_the_app_answers():
    rows = re.findall(r"^\| (\d{3}) \| (\d+) \| (.*) \|$", README, re.MULTILINE)
    shown = {(int(status), int(code)) for status, code, _ in rows}
    assert shown == {(answer.status, answer.code) for answer in errors.TABLE.values() if answer.status != 500}


def test_the_environment_variables_are_those_that_the_example_site_reads():
    read = set(re.findall(r"env\.\w+\(\s*\"(\w+)\"", (ROOT / "project" / "settings.py").read_text()))
    table = [line for line in section(README, "Run it for real").splitlines() if line.startswith("| `")]
    shown = {name for line in table for name in re.findall(r"`([A-Z_]+)`", line.split("|")[1])}
    assert shown == read


def test_five_lines_add_the_app_to_an_empty_site(tmp_path):
    text = section(README, "Add it to your site")

    def run(*words):
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-W", "error", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    run("-m", "django", "startproject", "mysite", ".")
    for number, name in enumerate(["settings.py", "urls.py"]):
        with (tmp_path / "mysite" / name).open("a") as file:
            file.write("\n" + blocks(text, "python")[number])
    commands = re.findall(r"python (manage\.py .*?)(?:\s+#.*)?$", blocks(text, "sh")[0], re.MULTILINE)
    assert len(commands) == 2
    run(*commands[0].split())
    key = run("manage.py", "jay_create_api_key", "my player").stdout.strip()
    assert commands[1] == 'manage.py jay_create_api_key "my player"'
    script = (
        "from django.test import Client; "
        f"c = Client(headers={{'X-API-Key': {key!r}, 'Host': 'localhost'}}); "
        "r = c.post('/playouts/netflix-de/tracking/session'); print(r.status_code, 'X-JAY-TRACKING' in r)"
    )
    assert run("manage.py", "shell", "--verbosity", "0", "-c", script).stdout.strip() == "200 True"
    assert "jay_sessions.W102" in run("manage.py", "check").stderr


@pytest.mark.django_db(transaction=True)
def test_the_code_of_ones_own_is_as_it_says():
    text = section(README, "In your own code")
    shown = [blocks(text, "python")[number] for number in range(4)]
    names = {"MIDDLEWARE": []}
    for code in shown:
        exec(code, names)
    try:
        assert names["token"] == names["started"].token
        with pytest.raises(sessions.NoSession):
            sessions.read([names["started"].encoded])
        assert names["MIDDLEWARE"] == [f"{TrackingSessionMiddleware.__module__}.TrackingSessionMiddleware"]
        started = sessions.start(PLAYOUT)
        for headers, answer in (({}, "No session"), ({"x_jay_tracking": started.encoded}, "Since 20")):
            request = RequestFactory().get("/", headers=headers)
            assert TrackingSessionMiddleware(names["page"])(request).content.decode().startswith(answer)
            request = AsyncRequestFactory().get("/", headers=headers)
            response = async_to_sync(TrackingSessionMiddleware(names["async_page"]))(request)
            assert response.content.decode().startswith(answer)
    finally:
        assert session_started.disconnect(names["greet"])
