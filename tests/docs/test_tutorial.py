"""docs/tutorial.md, block by block, in an empty directory; `.ci/package.py` installs the package in one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import need_shell
from ..support import servers
from ..support.pages import all_blocks, page
from ..support.servers import ROOT

BLOCKS = all_blocks(page("docs/tutorial.md"))

COUNT = (
    "from jay_sessions.models import TrackingSession; "
    "print(TrackingSession.objects.count(), TrackingSession.objects.ended().count())"
)


@pytest.fixture
def shell(tmp_path):
    kept = ("PATH", "HOME", "LANG")
    environment = {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "DJANGO_SUPERUSER_PASSWORD": "not-a-secret",
    }

    def run(script):
        command = ["bash", "-euo", "pipefail", "-c", script]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        ).stdout

    run.start = lambda line: subprocess.Popen(
        line.split(), cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return run


@pytest.mark.server
def test_whoever_follows_it_comes_to_the_end(shell, tmp_path):
    need_shell()
    install, *blocks = BLOCKS
    assert "pip install" in install[1]
    (start,) = (number for number, (_, code) in enumerate(blocks) if "runserver" in code)
    for language, code in blocks[:start]:
        if language == "python":
            file = tmp_path / re.match(r"# (\S+)\n", code)[1]
            file.write_text(f"{file.read_text()}\n{code}")
        else:
            said = shell(code.replace("createsuperuser", "createsuperuser --noinput"))
    key = re.search(r"^jay_\S+$", said, re.MULTILINE)[0]
    port = servers.free_port()
    site = shell.start(f"{blocks[start][1].strip()} --noreload {port}")
    try:
        servers.wait_for(servers.Server(port, key, ""), site)
        client = "".join(code for _, code in blocks[start + 1 : -1])
        client = client.replace("8000", str(port)).replace("jay_…", key).replace("curl ", "curl -sS ")
        said = shell(client)
    finally:
        site.terminate()
        site.wait(20)
    answers = re.findall(r'"(?:sessionId|details)": ?"(\w+)', said)
    assert said.count('"sessionId"') == 2
    assert answers[-1] == "TRACKING_NOT_VALID"
    assert "later ends counted" in shell(blocks[-1][1])
    assert shell(f'python manage.py shell -v0 -c "{COUNT}"').strip() == "2 1"
