"""`manage.py demo` as somebody runs it who has just cloned the repository."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from ..conftest import unavailable
from ..support.servers import ROOT, example_site

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run the demo with a database and a state of its own, until the block ends by Ctrl-C."""
    if not shutil.which("curl"):
        unavailable("curl is not installed.")
    directory = tmp_path_factory.mktemp("demo")

    @contextlib.contextmanager
    def running(database_url, port):
        command = [sys.executable, "manage.py", "demo", "--state", str(directory / "state")]
        environment = {**example_site(database_url), "PORT": str(port), "PYTHONUNBUFFERED": "1"}
        del environment["SECRET_KEY"]  # it makes one of its own
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.stdout.close()
            process.wait()

    return lambda port, url=f"sqlite:///{directory / 'site.sqlite3'}": running(url, port)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_gone(group: int) -> bool:
    """Say whether the process group ends in time: who was told to stop may still be stopping."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def what_it_says(process) -> str:
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C stops everything" in line:
            break
    return "".join(lines)


def curl(line: str) -> tuple[int, str]:
    """Run a line as somebody would paste it; give the status and the body."""
    assert line.startswith("curl -sS ")
    command = line.replace("curl -sS", "curl -sS -w '\\n%{http_code}'", 1)
    done = subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body.splitlines()[-1]


def test_every_line_works_when_pasted_and_ctrl_c_leaves_nothing_running(run):
    port = free_port()
    with run(port) as process:
        said = what_it_says(process)
        create, read, by_header, end, newest, numbers, proxy = re.findall(r"^curl .*$", said, re.MULTILINE)
        status, created = curl(create)
        assert (status, json.loads(created)["data"]["userId"]) == (200, "user-1")
        assert curl(read) == (200, created)
        assert curl(by_header)[0] == 200
        assert curl(end)[0] == 200
        assert curl(read)[0] == 400
        status, page = curl(newest)
        assert (status, len(json.loads(page)["data"]), "nextToken" in page) == (200, 3, True)
        status, days = curl(numbers)
        assert (status, len(json.loads(days)["data"])) == (200, 30)
        assert sum(day["sessions"] for day in json.loads(days)["data"]) > 100
        status, session = curl(proxy)
        assert (status, json.loads(session)["tenantId"]) == (200, "demo")
        key = re.search(r"X-API-Key: (\S+?)'", create)[1]
        assert f"A player:   http://127.0.0.1:{port}/player/  with the key {key}\n" in said
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) == 0
        assert is_gone(process.pid)

    with run(port) as process:
        again = what_it_says(process)
        assert "The sessions of earlier runs are kept." in again
        for pattern in (r"password \S+", r"jay_[0-9a-f]{8}_[\w-]{43}"):
            assert set(re.findall(pattern, again)) == set(re.findall(pattern, said))


def test_a_port_that_is_taken_is_named_with_what_to_do(run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with run(port) as process:
            said = process.stdout.read()
            assert process.wait(30) == 1
    assert f"Port {port} cannot be used" in said
    assert f"PORT={port + 1}" in said
    assert "Traceback" not in said


def test_a_database_of_ones_own_is_not_filled_with_demo_data(run):
    with run(free_port(), "postgres://nobody@127.0.0.1:1/production") as process:
        said = process.stdout.read()
        assert process.wait(30) == 1
    assert "unset DATABASE_URL" in said
