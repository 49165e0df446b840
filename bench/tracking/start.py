"""How fast a worker starts, and what the pure core needs for it."""

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from . import cluster, environment, report
from .cluster import Cluster
from .contenders import CONTENDERS
from .serving import Prepared, prepare, serving

TIMES = 5
NAMES = ("fastapi_asyncpg", "drf_plain", "views", "lane", "async_lane")
CORE = """
import sys
from json import dumps
from time import perf_counter
start = perf_counter()
import jay_sessions.core.tokens
took = perf_counter() - start
print(dumps([took, [name for name in sys.modules if name.partition(".")[0] == "django"]]))
"""


def measure() -> Iterator[str]:
    """Give the lines of a table and of a sentence. RuntimeError: the pure core imports Django."""
    yield f"\n### Start of a worker, median of {TIMES}\n"
    rows = []
    with tempfile.TemporaryDirectory() as name, cluster.running() as postgres:
        for one in NAMES:
            prepared = prepare(CONTENDERS[one], postgres)
            imported = [_imported(prepared, postgres) for _ in range(TIMES)]
            answered = [_answered(prepared, postgres, Path(name) / "log") for _ in range(TIMES)]
            rows.append((one, *(f"{statistics.median(times):.2f}" for times in (imported, answered))))
    yield from report.table(("contender", "application imported, s", "first session started, s"), rows)
    took = statistics.median(_core() for _ in range(TIMES))
    yield f"\n`import jay_sessions.core.tokens` takes {took * 1000:.0f} ms and imports no Django."


def _imported(prepared: Prepared, postgres: Cluster) -> float:
    module = prepared.contender.application.partition(":")[0]
    variables = environment.environment(postgres.url(prepared.database), dict(prepared.contender.variables))
    start = time.perf_counter()
    # Without what an interpreter tidies up when it ends.
    command = [environment.PYTHON, "-c", f"import os, {module}; os._exit(0)"]
    subprocess.run(command, cwd=environment.ROOT, env=variables, check=True)
    return time.perf_counter() - start


def _answered(prepared: Prepared, postgres: Cluster, log: Path) -> float:
    start = time.perf_counter()
    with serving(prepared, postgres, workers=1, threads=4, log=log) as server:
        status, _, body = server.ask("POST")
        took = time.perf_counter() - start
        if status != 200:
            raise RuntimeError(f"{prepared.contender.name}: {status} {body!r}")
    return took


def _core() -> float:
    command = [environment.PYTHON, "-c", CORE]
    done = subprocess.run(command, cwd=environment.ROOT, check=True, stdout=subprocess.PIPE)
    took, django = json.loads(done.stdout)
    if django:
        raise RuntimeError(f"jay_sessions.core.tokens imports {django}")
    seconds: float = took
    return seconds
