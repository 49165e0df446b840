"""A clock that tests shift is off in the processes that are given it, and only there."""

import subprocess
import sys
import time

from .shifted_clock import shifted_clock

ASKED = """
import datetime, os, sys, time
from datetime import datetime as imported

def told():
    assert abs(datetime.datetime.now(datetime.UTC).timestamp() - time.time()) < 60
    assert abs(imported.now(datetime.UTC).timestamp() - time.time()) < 60
    print(time.time(), time.monotonic(), flush=True)

told()
for _ in sys.stdin:
    # In a child, as the workers of a server are.
    if os.fork() == 0:
        told()
        os._exit(0)
"""


def test_a_process_is_ahead_and_behind_while_it_runs():
    with (
        shifted_clock(7200) as clock,
        subprocess.Popen(
            [sys.executable, "-c", ASKED],
            env=clock.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):

        def assert_ahead(by):
            wall, monotonic = map(float, process.stdout.readline().split())
            assert abs(wall - time.time() - by) < 60
            assert abs(monotonic - time.monotonic()) < 60

        assert_ahead(7200)
        for by in (-86_400, 0):
            clock.shift(by)
            process.stdin.write("\n")
            process.stdin.flush()
            assert_ahead(by)
        process.stdin.close()
