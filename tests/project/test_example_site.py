"""The example site does not start with the secret key that everybody can read."""

import subprocess
import sys

import pytest

from project import demo_secret
from project.settings import PUBLIC_SECRET_KEY

from ..support import servers


def run(directory, *command, **variables):
    """Run a command of the example site, which must end by itself; return its exit code and what it says."""
    environment = servers.example_site(f"sqlite:///{directory / 'site.sqlite3'}")
    del environment["SECRET_KEY"]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=servers.ROOT,
        env={**environment, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


REFUSED = [{}, {"DEBUG": "0"}, {"SECRET_KEY": PUBLIC_SECRET_KEY}]


@pytest.mark.parametrize("variables", REFUSED, ids=str)
@pytest.mark.parametrize("command", ["check", "migrate", "runserver"])
def test_no_command_runs_with_the_public_key(tmp_path, command, variables):
    code, said = run(tmp_path, "manage.py", command, **variables)
    assert code != 0
    assert "SECRET_KEY is not set" in said.splitlines()[-1]
    assert "export SECRET_KEY=$(python -c 'import secrets; print(secrets.token_urlsafe(64))')" in said
    assert not (tmp_path / "site.sqlite3").exists()


@pytest.mark.parametrize("variables", [{"SECRET_KEY": "one of its own"}, {"DEBUG": "1"}], ids=str)
def test_with_another_one_it_does_and_for_a_try(tmp_path, variables):
    assert run(tmp_path, "manage.py", "check", **variables)[0] == 0


@pytest.mark.server
@pytest.mark.parametrize("name", servers.COMMANDS)
def test_no_server_starts_with_the_public_key(tmp_path, name):
    words = (word.format(port=servers.free_port()) for word in servers.COMMANDS[name])
    code, said = run(tmp_path, "-m", *words)
    assert code != 0
    assert "SECRET_KEY is not set" in said


def test_the_demo_makes_a_key_of_its_own_and_keeps_it(tmp_path):
    file = tmp_path / "state" / "key"
    key = demo_secret.kept(file)
    assert len(key) > 50
    assert demo_secret.kept(file) == key
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("")
    assert demo_secret.kept(file) not in ("", key)
