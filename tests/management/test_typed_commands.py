"""Commands as an operator types them: each a process of its own, with its exit code."""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from ..support.servers import ROOT

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture(scope="module")
def database(tmp_path_factory, django_db_setup):
    path = tmp_path_factory.mktemp("site") / "db.sqlite3"
    assert typed(path, "migrate -v0").returncode == 0
    fill = (
        "from tests.management.test_command_output import store; from jay_sessions.models import ApiKey\n"
        "store(); ApiKey.objects.issue('partner')"
    )
    assert typed(path, f'shell -v0 -c "{fill}"').returncode == 0
    return path


def typed(database, line, **variables):
    """What comes of a line behind `python manage.py` in a shell."""
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{database}",
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        **variables,
    }
    return subprocess.run(
        f"{sys.executable} manage.py {line}",
        shell=True, executable="/bin/bash", env=environment, cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip


def keys_in(database):
    code = "from jay_sessions.models import ApiKey; print(ApiKey.objects.count())"
    return int(typed(database, f'shell -v0 -c "{code}"').stdout)


@pytest.mark.parametrize("redirected", [">/dev/full", ">&-"])
def test_a_key_that_cannot_be_printed_is_not_stored(database, redirected):
    before = keys_in(database)
    done = typed(database, f"jay_create_api_key full {redirected}")
    assert done.returncode == 1
    assert done.stderr.startswith(b"CommandError: Standard output cannot be written")
    assert done.stderr.count(b"\n") == 1
    assert keys_in(database) == before


@pytest.mark.parametrize("line", ["jay_export_sessions", "jay_rollup_sessions", "jay_revoke_api_key partner"])
@pytest.mark.parametrize("redirected", [">/dev/full", ">&-"])
def test_a_command_that_cannot_print_ends_with_a_line(database, line, redirected):
    done = typed(database, f"{line} {redirected}")
    assert done.returncode == 1
    assert b"cannot be written" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("line", ["jay_export_sessions", "jay_rollup_sessions", "jay_create_api_key more"])
def test_a_command_needs_no_standard_error(database, line):
    assert typed(database, f"{line} 2>&-").returncode == 0


def test_an_export_is_utf_8_whatever_the_terminal_takes(database):
    plain = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = typed(database, "jay_export_sessions", **plain)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "netflix-de:ü" in done.stdout.decode()


@pytest.mark.parametrize("line", ["jay_create_api_key partner", "jay_export_sessions"])
def test_before_migrate_all_that_is_printed_is_a_line(tmp_path, line):
    done = typed(tmp_path / "empty.sqlite3", line)
    assert done.returncode == 1
    assert done.stdout == b""
    assert re.fullmatch(rb"CommandError: [^\n]+Run: python manage.py migrate\n", done.stderr)


def stopped(database, *numbers, ignoring=()):
    """Send signals to a command that waits for Zephr; give its exit code, and what it wrote as errors."""

    def heed():
        # Shells let what they run in the background ignore Ctrl-C, and its children inherit that.
        for number in numbers:
            signal.signal(number, signal.SIG_IGN if number in ignoring else signal.SIG_DFL)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = {
            **os.environ,
            "DATABASE_URL": f"sqlite:///{database}",
            "ZEPHR_BASE_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "ZEPHR_ACCESS_KEY": "access",
            "ZEPHR_SECRET_KEY": "secret",
            "DJANGO_SETTINGS_MODULE": "project.settings",
        }
        with subprocess.Popen(
            [sys.executable, "manage.py", "jay_ping_zephr"],
            env=environment,
            cwd=ROOT,
            stderr=subprocess.PIPE,
            preexec_fn=heed,  # noqa: PLW1509 (it takes no lock)
        ) as process:
            waiting, _ = silent.accept()
            with waiting:
                # Now it waits for the answer.
                assert waiting.recv(65536)
                for number in numbers:
                    process.send_signal(number)
                error = process.stderr.read()
    return process.returncode, error


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_as_shells_expect_it(database, number):
    code, error = stopped(database, number)
    assert code == 128 + number
    # Python tells of objects that the signal left half made.
    said, _, _ = error.partition(b"Exception ignored in")
    assert said.endswith(b"CommandError: Stopped.\n")
    assert b"Traceback" not in said


def test_a_command_goes_on_to_ignore_what_it_was_told_to_ignore(database):
    # As nohup does.
    code, _ = stopped(database, signal.SIGHUP, signal.SIGTERM, ignoring=[signal.SIGHUP])
    assert code == 128 + signal.SIGTERM
