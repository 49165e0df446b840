"""Workers that keep to a core: which one, all their threads, and where it is not possible."""

import concurrent.futures
import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from jay_sessions import pinning
from jay_sessions.checks import speed

from .servers.test_servers import PATH, call
from .support import servers

pytestmark = pytest.mark.once

linux = pytest.mark.skipif(
    not pinning.can_pin(), reason="This system has no cores to choose: it takes Linux."
)

WORKER = """
import os, sys, threading, time
import django
django.setup()
from jay_sessions import pinning
pinning.NAME = sys.argv[1]
before = threading.Thread(target=time.sleep, args=(60,), daemon=True)
before.start()
fork = os.fork() if "fork" in sys.argv else None
if fork:
    os._exit(os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]))
pinning.settle()
pinning.settle()
after = threading.Thread(target=time.sleep, args=(60,), daemon=True)
after.start()
tasks = map(int, os.listdir("/proc/self/task"))
print(*{str(sorted(os.sched_getaffinity(task))) for task in tasks}, sep=";", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def workers(count, *arguments, **settings):
    """Start so many workers, one after the other; give what cores the threads of each may run on."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "project.settings", **settings}
    # Whatever sites run on this machine meanwhile.
    command = [sys.executable, "-c", WORKER, f"tests.{secrets.token_hex(8)}", *arguments]
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            process = subprocess.Popen(
                command,
                cwd=servers.ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.communicate)
            found.append(process.stdout.readline().strip())
        yield found


@pytest.fixture
def mine():
    """The cores, two at the most, that this process and what it starts may use."""
    before = os.sched_getaffinity(0)
    few = sorted(before)[:2]
    os.sched_setaffinity(0, few)
    yield few
    os.sched_setaffinity(0, before)


@linux
def test_workers_share_the_cores_evenly_and_keep_all_their_threads_there(mine):
    with workers(2 * len(mine), JAY_PIN_WORKERS="1") as found:
        assert Counter(found) == {str([core]): 2 for core in mine}


@linux
def test_a_core_is_free_again_once_its_worker_has_ended(mine):
    for _ in range(2):
        with workers(1, JAY_PIN_WORKERS="1") as found:
            assert found == [str([mine[0]])]


@linux
def test_a_worker_that_was_forked_after_loading_finds_a_core_of_its_own(mine):
    with workers(len(mine), "fork", JAY_PIN_WORKERS="1") as found:
        assert sorted(found) == [str([core]) for core in mine]


@linux
def test_without_the_setting_workers_run_where_the_kernel_puts_them(mine):
    with workers(1, JAY_PIN_WORKERS="0") as found:
        assert found == [str(mine)]


@pytest.fixture
def fresh(monkeypatch):
    monkeypatch.setattr(pinning, "_is_settled", False)


@linux
@pytest.mark.django_db
@pytest.mark.usefixtures("fresh")
def test_a_system_that_forbids_it_is_told_of_in_the_log_and_the_request_goes_on(
    api, setting, monkeypatch, caplog
):
    def forbidden(*args):
        raise PermissionError(1, "Operation not permitted")

    setting(PIN_WORKERS=True)
    monkeypatch.setattr(os, "sched_setaffinity", forbidden)
    assert [api.post(PATH).status_code for _ in range(2)] == [200, 200]
    assert caplog.text.count("The worker is not pinned to a core: Operation not permitted") == 1


def allowed():
    """Return the cores that each thread of this process may run on."""
    tasks = [int(task.name) for task in Path("/proc/self/task").iterdir()]
    return {task: frozenset(os.sched_getaffinity(task)) for task in tasks}


@pytest.fixture
def among(mine, fresh, setting, monkeypatch):
    """Let this process begin as a worker among others: a call with the cores and places that those have."""
    name, claims = f"tests.{secrets.token_hex(8)}", []
    monkeypatch.setattr(pinning, "NAME", name)
    monkeypatch.setattr(pinning, "_claims", claims)
    setting(PIN_WORKERS=True)
    before = allowed()

    def begin(taken):
        for core, place in taken:
            claims.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            claims[-1].bind(f"\0{name}.{core}.{place}")
        pinning.settle()
        return set(allowed().values())

    yield begin
    for task, cores in before.items():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(task, cores)
    for claim in claims:
        claim.close()


@linux
def test_a_worker_takes_the_core_that_has_the_fewest(among, mine):
    others = [(core, place) for place in range(3) for core in mine]
    assert among(others[:-1]) == {frozenset(mine[-1:])}


@linux
def test_a_worker_for_whom_no_core_has_a_place_runs_where_the_kernel_puts_it(among, mine):
    assert frozenset(mine) in among((core, place) for place in range(pinning.MAX_WORKERS) for core in mine)


@pytest.mark.usefixtures("fresh")
def test_settings_that_are_wrong_are_left_to_those_who_need_them(setting, monkeypatch):
    setting(PIN_WORKERS="yes")
    monkeypatch.setattr(os, "sched_setaffinity", None, raising=False)
    pinning.settle()


def test_a_system_without_cores_to_choose_is_warned_of(setting, monkeypatch):
    setting(PIN_WORKERS=True)
    assert bool(speed.check_pinning()) is not pinning.can_pin()
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    [found] = speed.check_pinning()
    assert found.id == "jay_sessions.W107"
    setting(PIN_WORKERS=False)
    assert not speed.check_pinning()


def threads_by_process(parent):
    """Return, by child process of `parent`, on which cores each of its threads may run."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return {
        child: {line.split()[1] for line in status_lines(child) if line.startswith("Cpus_allowed_list:")}
        for child in children
    }


def status_lines(process):
    for task in Path(f"/proc/{process}/task").iterdir():
        # A thread may end between the listing and the reading, be it before the file is open or after.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            yield from (task / "status").read_text().splitlines()


@linux
@pytest.mark.server
@pytest.mark.parametrize("name", list(servers.COMMANDS))
def test_each_worker_of_a_server_keeps_to_its_core_from_its_first_request_on(name, tmp_path, mine):
    kept, statuses, deadline = [], [], time.monotonic() + 60
    with (
        servers.running(name, tmp_path, JAY_PIN_WORKERS="1") as server,
        concurrent.futures.ThreadPoolExecutor(8) as pool,
    ):
        # Which worker takes a request is the kernel's choice: of many at once, each has some in the end.
        while len(kept) < 2 and time.monotonic() < deadline:
            statuses += pool.map(lambda _: call(server, "POST", PATH)[0], range(16))
            found = threads_by_process(server.pid).values()
            settled = [next(iter(lists)) for lists in found if len(lists) == 1]
            kept = [allowed for allowed in settled if allowed.isdigit()]
        assert len(kept) >= 2, found
        assert {int(core) for core in kept} <= set(mine)
        assert set(statuses) == {200}
        assert server.rows() == len(statuses)
