"""What docs/clients.md shows is run as it stands."""

import re
import subprocess

import pytest

from jay_sessions.models import Scope, TrackingSession
from project.zephr_demo_sessions import DEMO_SESSIONS
from project.zephr_stand_in import ZephrStandIn

from .conftest import need_shell
from .pages import all_blocks, blocks, page
from .test_browser import chromium, site  # noqa: F401 (fixtures)

TEXT = page("docs/clients.md")

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_block_is_run():
    assert [language for language, _ in all_blocks(TEXT)] == ["js", "sh", "python", "sh"]


@pytest.mark.browser
def test_the_page(chromium, site, key):  # noqa: F811
    (shown,) = blocks(TEXT, "js")
    chromium.get(f"{site.url}/player/")
    code = re.sub(r'import (.*) from "\./(.*)";', r'const \1 = await import("/static/project/\2");', shown)
    code = code.replace("https://sessions.example.com", site.url).replace("jay_…", key)
    script = f"""
        const done = arguments[0];
        (async () => {{ {code}
            return [sessionId, same.sessionId, await session.read()];
        }})().then(done, (error) => done(String(error)));
    """
    session = TrackingSession.objects
    result = chromium.execute_async_script(script)
    assert result == [str(session.get().session_id), str(session.get().session_id), None]
    assert session.get().user_id == "5f1d39c9a0e9"


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
    (shown,) = blocks(TEXT, "python")
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
