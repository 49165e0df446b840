"""What docs/clients.md shows is run as it stands."""

import datetime
import re
import subprocess

import pytest
import requests

from jay_sessions.models import Scope, TrackingSession
from project.zephr_demo_sessions import DEMO_SESSIONS
from project.zephr_stand_in import ZephrStandIn

from ..browser.test_admin import chromium, site  # noqa: F401 (fixtures)
from ..conftest import COOKIE, PATH, error_of, need_shell, until
from ..support.pages import all_blocks, blocks, page

TEXT = page("docs/clients.md")

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_block_is_run():
    assert [language for language, _ in all_blocks(TEXT)] == ["js", "js", "python", "sh", "python", "sh"]


def run_in(chromium, site, key, code):  # noqa: F811
    """Run code of the page's on a page; gives what it returns."""
    chromium.get(f"{site.url}/player/")
    code = re.sub(r'import (.*) from "\./(.*)";', r'const \1 = await import("/static/project/\2");', code)
    code = code.replace("https://sessions.example.com", site.url).replace("jay_…", key)
    script = f"""
        const done = arguments[0];
        (async () => {{ {code} }})().then(done, (error) => done(String(error)));
    """
    return chromium.execute_async_script(script)


@pytest.mark.browser
def test_the_page(chromium, site, key):  # noqa: F811
    module, _ = blocks(TEXT, "js")
    result = run_in(chromium, site, key, module + "return [sessionId, same.sessionId, await session.read()];")
    session = TrackingSession.objects
    assert result == [str(session.get().session_id), str(session.get().session_id), None]
    assert session.get().user_id == "5f1d39c9a0e9"


@pytest.mark.browser
def test_the_page_that_is_left_and_come_back_to(chromium, site, key):  # noqa: F811
    module, leaving = blocks(TEXT, "js")
    assert run_in(chromium, site, key, module + leaving + "await session.start('x');") is None
    chromium.get(f"{site.url}/")
    until(lambda: TrackingSession.objects.filter(end=None).count() == 0)
    chromium.back()
    until(lambda: TrackingSession.objects.filter(end=None).count() == 1)
    assert TrackingSession.objects.get(end=None).user_id == "5f1d39c9a0e9"


@pytest.mark.browser
def test_the_members_of_an_error_are_those_of_the_module(chromium, site):  # noqa: F811
    shown = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", TEXT, re.MULTILINE)[:4])))
    code = """
        const { TrackingError } = await import("/static/project/tracking-session.js");
        return Object.getOwnPropertyNames(new TrackingError("", { cause: 1 }));
    """
    there = set(run_in(chromium, site, "", code)) - {"stack", "message", "name"}
    assert shown == there


LINES = dict(re.findall(r"^\| (JavaScript|Python|Java) \| `(.*)` \|$", TEXT, re.MULTILINE))
MOMENT = datetime.datetime(2026, 11, 21, 0, 25, 44, 283820, tzinfo=datetime.UTC)
START_TIME = "2026-11-21T00:25:44.283820"


@pytest.mark.browser
def test_the_start_time_in_a_browser_far_from_greenwich(chromium, site):  # noqa: F811
    chromium.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "America/New_York"})
    try:
        both = f"[{LINES['JavaScript']}, new Date(startTime)].map(Number)"
        code = f"const startTime = '{START_TIME}'; return {both};"
        as_shown, as_local = run_in(chromium, site, "", code)
    finally:
        chromium.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})
    assert as_shown == int(MOMENT.timestamp() * 1000)
    assert as_local == as_shown + 5 * 60 * 60 * 1000


def test_the_start_time_in_python():
    names = {"datetime": datetime.datetime, "UTC": datetime.UTC, "startTime": START_TIME}
    assert eval(LINES["Python"], names) == MOMENT


def test_python_keeps_the_cookie_and_does_not_send_it_without_https(site, key):  # noqa: F811
    url = site.url + PATH
    with requests.Session() as api:
        api.headers["X-API-Key"] = key
        token = api.post(url).headers["X-JAY-TRACKING"]
        assert [cookie.name for cookie in api.cookies] == [COOKIE]
        answer = api.get(url)
        assert (answer.status_code, answer.json()["error"]["details"]) == (400, "TRACKING_NOT_VALID")
        assert api.get(url, headers={"X-JAY-TRACKING": token}).status_code == 200


def test_curl_sends_it(site, key):  # noqa: F811
    code = 'for verb in POST GET; do curl -sSf -X $verb -b jar -c jar -H "X-API-Key: $KEY" "$AT"; done'
    shown = run_in_bash(f"cd $(mktemp -d); {code}", AT=site.url + PATH, KEY=key)
    first, second = shown.replace("}{", "}\n{").splitlines()
    assert first == second


def test_what_the_publishers_other_pages_say_is_not_read(client, key):
    token = client.post(PATH, headers={"X-API-Key": key})["X-JAY-TRACKING"]
    client.cookies.clear()
    answer = client.get(PATH, headers={"X-API-Key": key, COOKIE: token})
    assert error_of(answer) == (400, 1001, "TRACKING_NOT_VALID")
    assert client.get("/tracking/session", headers={"X-API-Key": key}).status_code == 404


def run_in_bash(code, **variables):
    need_shell()
    command = ["bash", "-euo", "pipefail", "-c", code]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "NO_PROXY": "*", **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_the_app(site, key):  # noqa: F811
    shown = run_in_bash(blocks(TEXT, "sh")[0], URL=site.url, KEY=key)
    session = TrackingSession.objects.get()
    assert shown.startswith(f'{{"data":{{"sessionId":"{session.session_id}"')
    assert session.ended_at is not None


def test_the_server(site, key, monkeypatch, capsys):  # noqa: F811
    *_, shown = blocks(TEXT, "python")
    monkeypatch.setenv("URL", site.url)
    monkeypatch.setenv("KEY", key)
    names = {}
    for _ in range(3):
        exec(shown.replace('"limit": 100', '"limit": 1'), names)
    capsys.readouterr()
    exec(shown.replace('"limit": 100', '"limit": 1'), names)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        str(one.session_id) for one in TrackingSession.objects.all()
    ]
    assert len(lines) == 4
    names["api"].close()


def test_zephr(site, issue_key, setting):  # noqa: F811
    with ZephrStandIn("access", "secret") as stand_in:
        setting(ZEPHR={"BASE_URL": stand_in.base_url, "ACCESS_KEY": "access", "SECRET_KEY": "secret"})
        key, session = issue_key(scopes=[Scope.ZEPHR]), next(iter(DEMO_SESSIONS))
        assert session in run_in_bash(blocks(TEXT, "sh")[1], URL=site.url, KEY=key, ZEPHR_SESSION=session)
