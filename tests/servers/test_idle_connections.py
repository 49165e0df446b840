"""Connections that are open and ask for nothing, or very slowly, do not keep others from being served."""

import contextlib
import socket

import pytest

from ..conftest import PATH
from ..support import servers
from ..support.open_files import open_files

IDLE, SLOW = 2000, 500
NEEDED = 2 * (IDLE + SLOW)


@pytest.mark.server
@pytest.mark.parametrize("name", [name for name in servers.COMMANDS if "granian" in name])
def test_post_is_answered_beside_thousands_of_idle_and_slow_ones(name, tmp_path):
    with (
        open_files(NEEDED),
        servers.running(name, tmp_path) as server,
        contextlib.ExitStack() as stack,
    ):
        for number in range(IDLE + SLOW):
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
            stack.enter_context(connection)
            if number >= IDLE:
                connection.sendall(b"POST /playo")
        for _ in range(10):
            with contextlib.closing(server.connect()) as connection:
                connection.request("POST", PATH, headers={"X-API-Key": server.key})
                assert connection.getresponse().status == 200
        assert server.rows() == 10


def test_each_command_of_granian_that_is_shown_bears_them():
    shown = (servers.ROOT / "docs/example-site.md").read_text().replace("\\\n", "")
    commands = [line for line in shown.splitlines() if line.startswith("granian ")]
    commands += [" ".join(words) for words in servers.COMMANDS.values() if words[0] == "granian"]
    commands.append((servers.ROOT / "project/management/commands/demo.py").read_text())
    assert len(commands) == 5
    assert all("--backpressure" in command for command in commands)
