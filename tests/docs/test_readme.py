"""What the README says is so, and its pages on the API, the settings, the example site and Python."""

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from django.core import checks
from django.db import connection
from django.test import AsyncRequestFactory, RequestFactory
from drf_spectacular.generators import SchemaGenerator

from jay_sessions import conf, sessions
from jay_sessions.api import errors
from jay_sessions.middleware import TrackingSessionMiddleware
from jay_sessions.signals import session_started
from project.environment import variables
from project.zephr_stand_in import ZephrStandIn

from ..conftest import PLAYOUT, need_shell
from ..support import servers
from ..support.pages import blocks, page, section
from ..support.servers import ROOT

README = page("README.md")
API = page("docs/api.md")
[ALL_SETTINGS] = blocks(section(page("docs/settings.md"), "All of them at once"), "python")


@pytest.mark.django_db
def test_the_settings_are_all_there_and_as_they_stand_they_are_valid(settings, monkeypatch):
    monkeypatch.setenv("ZEPHR_ACCESS_KEY", "access")
    monkeypatch.setenv("ZEPHR_SECRET_KEY", "secret")
    names = {"os": os}
    exec(ALL_SETTINGS, names)
    shown = names["JAY_SESSIONS"]
    assert set(shown) == set(conf.declared(conf.Settings))
    assert {*shown["ZEPHR"], "BASE_URL"} == set(conf.declared(conf.ZephrSettings))
    settings.JAY_SESSIONS = shown
    found = {check.id for check in checks.run_checks() if check.id.startswith("jay_sessions.")}
    # The cache of the tests counts in one process alone, and SQLite has no partitions.
    assert found <= {"jay_sessions.W104", "jay_sessions.E106"}
    assert "jay_sessions.E106" not in found or connection.vendor != "postgresql"


@pytest.mark.parametrize(
    "name", re.findall(r'^    "(\w+)": .*,$', ALL_SETTINGS.partition('"ZEPHR"')[0], re.MULTILINE)
)
def test_settings_shown_without_a_remark_are_the_defaults(settings, name):
    names = {"os": os}
    exec(ALL_SETTINGS.partition('"ZEPHR"')[0] + "}", names)
    settings.JAY_SESSIONS = {name: names["JAY_SESSIONS"][name]}
    shown = conf.get()
    settings.JAY_SESSIONS = {}
    assert shown == conf.get()


def test_the_errors_are_those_that_the_app_answers():
    rows = re.findall(r"^\| (\d{3}) \| (\d+) \| (.*) \|$", API, re.MULTILINE)
    shown = {(int(status), int(code)) for status, code, _ in rows}
    assert shown == {(answer.status, answer.code) for answer in errors.TABLE.values() if answer.status != 500}


@pytest.mark.parametrize(("title", "path"), [("List sessions", "sessions"), ("Count sessions", "statistics")])
def test_the_parameters_are_those_of_the_openapi_document(title, path):
    document = SchemaGenerator().get_schema(request=None, public=True)
    parameters = document["paths"][f"/playouts/{{playout_id}}/tracking/{path}"]["get"]["parameters"]
    known = {one["name"]: one["schema"] for one in parameters if one["in"] == "query"}
    table = [line for line in section(API, title).splitlines() if line.startswith("| `")]
    shown = {name: row for row in table for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert shown.keys() == known.keys()
    for name, schema in known.items():
        for word in ("default", "minimum", "maximum"):
            assert str(schema.get(word, "")) in shown[name]


def test_the_environment_variables_are_those_that_the_example_site_reads():
    read = set(re.findall(r"env\.\w+\(\s*\"(\w+)\"", (ROOT / "project" / "settings.py").read_text()))
    read |= {variable.name for kind in (conf.Settings, conf.ZephrSettings) for variable in variables(kind)}
    text = section(page("docs/example-site.md"), "Environment variables")
    table = [line for line in text.splitlines() if line.startswith("| `")]
    shown = {name for line in table for name in re.findall(r"`([A-Z_]+)`", line.split("|")[1])}
    lines = re.findall(r"^- Example site: (.*)$", page("docs/settings.md"), re.MULTILINE)
    shown |= {name for line in lines for name in re.findall(r"`([A-Z_]{2,})`", line)}
    assert shown == read


class Site:
    """An empty directory, in which what a page shows is typed."""

    def __init__(self, directory, **variables):
        self.directory = directory
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "CURL_HOME": str(directory),
            "NO_PROXY": "*",
            **variables,
        }

    def run(self, *words):
        done = subprocess.run(
            words, cwd=self.directory, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done

    def manage(self, *words):
        return self.run("python", "-W", "error", "manage.py", *words)

    def type_in(self, script):
        return self.run("bash", "-euo", "pipefail", "-c", script).stdout

    @contextlib.contextmanager
    def serving(self, command):
        """Run `command`, which serves, on a port of its own; gives that."""
        need_shell()
        port = servers.free_port()
        with subprocess.Popen(
            [*command.split(), "--noreload", str(port)],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                servers.wait_for(servers.Server(port, "", ""), process)
                yield port
            finally:
                process.terminate()
                process.wait(20)


ADD = section(README, "Add it to your site")


@pytest.fixture
def new_site(tmp_path):
    """A site that `startproject` made, with what the README adds."""
    site = Site(tmp_path)
    site.run("django-admin", "startproject", "mysite", ".")
    for number, name in enumerate(["settings.py", "urls.py"]):
        with (tmp_path / "mysite" / name).open("a") as file:
            file.write("\n" + blocks(ADD, "python")[number])
    return site


def test_five_lines_add_the_app_to_an_empty_site(new_site):
    migrate, create = re.findall(r"python manage\.py (.*?)(?:\s+#.*)?$", blocks(ADD, "sh")[0], re.MULTILINE)
    new_site.manage(*shlex.split(migrate))
    key = new_site.manage(*shlex.split(create)).stdout.strip()
    script = (
        "from django.test import Client; "
        f"c = Client(headers={{'X-API-Key': {key!r}, 'Host': 'localhost'}}); "
        "r = c.post('/playouts/netflix-de/tracking/session'); print(r.status_code, 'X-JAY-TRACKING' in r)"
    )
    assert new_site.manage("shell", "--verbosity", "0", "-c", script).stdout.strip() == "200 True"
    assert "jay_sessions.W102" in new_site.manage("check").stderr


@pytest.mark.server
def test_the_calls_answer_whoever_pastes_one_line_after_another(new_site, tmp_path):
    need_shell()
    prepare, serve = blocks(ADD, "sh")
    key = new_site.type_in(prepare).splitlines()[-1]
    zephr = 'JAY_SESSIONS = {"ZEPHR": {"BASE_URL": "%s", "ACCESS_KEY": "%s", "SECRET_KEY": "%s"}}\n'
    [first_call], [first_answer] = (
        blocks(section(README, "Start a session"), kind) for kind in ("sh", "json")
    )
    script = "\n".join([*blocks(API, "sh"), first_call])
    # An answer of 400 or more is a failure.
    (tmp_path / ".curlrc").write_text("fail\nsilent\nshow-error\n")
    with ZephrStandIn("access", "secret") as stand_in:
        with (tmp_path / "mysite" / "settings.py").open("a") as file:
            file.write(zephr % (stand_in.base_url, "access", "secret"))
        with new_site.serving(serve.partition("#")[0]) as port:
            said = new_site.type_in(script.replace("8000", str(port)).replace("jay_…", key))
    said = said.replace("}{", "}\n{")
    started, read, ended, listed, counted, session, first = re.findall(r"^\{.*\}$", said, re.M)
    assert json.loads(read) == json.loads(started)
    assert "ended" in json.loads(ended)["data"]["message"]
    [row] = json.loads(listed)["data"]
    assert row["sessionId"] == json.loads(started)["data"]["sessionId"]
    answers = [json.loads(answer)["data"] for answer in blocks(API, "json")]
    assert set(row) == set(answers[1][0])
    assert set(json.loads(started)["data"]) == set(answers[0])
    assert set(json.loads(first)["data"]) == set(json.loads(first_answer)["data"])
    assert sum(day["sessions"] for day in json.loads(counted)["data"]) == 1
    assert json.loads(session)["sessions"]


@pytest.mark.django_db(transaction=True)
def test_the_code_of_ones_own_is_as_it_says():
    text = section(page("docs/python.md"), "In your own code")
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
