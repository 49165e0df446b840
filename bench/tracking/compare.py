"""All contenders, one after the other, round by round."""

import contextlib
import dataclasses
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from . import cluster, contract, load, machine
from .cluster import Cluster
from .contenders import POST, Contender
from .serving import Prepared, Server, prepare, serving

PGBENCH_CLIENTS = 16
"""With more, PostgreSQL commits no more rows a second on few cores."""


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and for how long."""

    contenders: Sequence[Contender]
    methods: Sequence[str]
    series: str
    connections: int
    rounds: int
    seconds: float
    threads: int

    @property
    def workers(self) -> int:
        return 1 if self.series == "core" else 2

    @property
    def server_cores(self) -> set[int]:
        return {0} if self.series == "core" else os.sched_getaffinity(0)

    @property
    def other_cores(self) -> set[int]:
        return {1} if self.series == "core" else os.sched_getaffinity(0)


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """One measurement.

    Times of processors are microseconds a request; `others` and `steal` are percent of one core that other
    programs, and other machines of the host, took meanwhile; `problem` is empty where everything was
    answered and stored.
    """

    round: int
    contender: str
    method: str
    per_second: float
    p50_ms: float | None
    p99_ms: float | None
    cpu_us: float | None
    postgres_us: float
    others: float
    steal: float
    problem: str


def measure(options: Options) -> tuple[dict[str, object], list[Run]]:
    """Return what there is to know of the machine, and all runs; tells each on standard error."""
    runs = []
    with tempfile.TemporaryDirectory() as name, cluster.running() as postgres:
        machine.pin(postgres.pids(), options.other_cores)
        prepared = [prepare(one, postgres) for one in options.contenders]
        for number in range(options.rounds):
            # Every other round the other way round, so that a drift of the machine cancels.
            for one in reversed(prepared) if number % 2 else prepared:
                for run in _Stage(options, postgres, one, Path(name), number).runs():
                    print(_line(run), file=sys.stderr, flush=True)
                    runs.append(run)
        return facts(postgres), runs


@dataclasses.dataclass(frozen=True, slots=True)
class _Stage:
    options: Options
    postgres: Cluster
    prepared: Prepared
    directory: Path
    number: int

    def runs(self) -> Iterator[Run]:
        methods = [method for method in self.options.methods if method in self.prepared.contender.methods]
        if not methods:
            return
        self._sql("TRUNCATE {}")
        if not self.prepared.contender.application:
            yield self._pgbench()
            return
        with self._serving() as server:
            try:
                contract.check(server, self.prepared, self.postgres)
            except contract.Broken as error:
                sys.exit(f"{self.prepared.contender.name} does not do what is measured: {error}")
            with machine.pinned(self.options.other_cores):
                tokens = load.make_tokens(server)
                for method in methods:
                    load.write(self.directory / method, method, tokens)
                    yield self._run(server, method)

    def _run(self, server: Server, method: str) -> Run:
        # Until all connections and threads are there.
        self._send(server, method, 1)
        before = self._rows()
        self._settle()
        found, spent = self._watched(server, lambda: self._send(server, method, self.options.seconds))
        problem = _problem(found)
        if method == POST and self.prepared.contender.table and not problem:
            stored = self._rows() - before
            # The last answer of each connection may have come too late to be counted.
            if not found.answers <= stored <= found.answers + self.options.connections:
                problem = f"{stored:,} rows for {found.answers:,} answers"
        return self._as_run(method, found, spent, problem)

    def _pgbench(self) -> Run:
        self._settle()
        command = [
            *(self.postgres.programs / "pgbench", "--no-vacuum", "--protocol", "prepared"),
            *("--client", str(PGBENCH_CLIENTS), "--jobs", "2", "--time", f"{self.options.seconds:.0f}"),
            *("--file", Path(__file__).parent / "peers" / "one_row.sql"),
            self.postgres.url(self.prepared.database),
        ]

        def work() -> load.Found:
            with machine.pinned(self.options.other_cores):
                said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            count = re.search(r"actually processed: ([0-9]+)", said)
            rate = re.search(r"^tps = ([0-9.]+)", said, re.MULTILINE)
            assert count is not None, said
            assert rate is not None, said
            return load.Found(int(count[1]), int(count[1]) / float(rate[1]), 0, 0, None, None)

        return self._as_run(POST, *self._watched(None, work), "")

    @contextlib.contextmanager
    def _serving(self) -> Iterator[Server]:
        options, log = self.options, self.directory / f"{self.prepared.contender.name}.log"
        with contextlib.ExitStack() as stack:
            # The server stays there, while this process leaves again.
            with machine.pinned(options.server_cores):
                started = serving(
                    self.prepared, self.postgres, workers=options.workers, threads=options.threads, log=log
                )
                server = stack.enter_context(started)
            yield server

    def _send(self, server: Server, method: str, seconds: float) -> load.Found:
        file = self.directory / method
        return load.send(server, method, file, connections=self.options.connections, seconds=seconds)

    def _watched(self, server: Server | None, work: Callable[[], load.Found]) -> tuple[load.Found, "_Spent"]:
        before = _Spent.until_now(server, self.postgres)
        found = work()
        return found, _Spent.until_now(server, self.postgres).since(before)

    def _as_run(self, method: str, found: load.Found, spent: "_Spent", problem: str) -> Run:
        count = max(1, found.answers)
        return Run(
            round=self.number,
            contender=self.prepared.contender.name,
            method=method,
            per_second=found.answers / found.seconds,
            p50_ms=found.p50_ms,
            p99_ms=found.p99_ms,
            cpu_us=spent.server / count * 1e6 if self.prepared.contender.application else None,
            postgres_us=spent.postgres / count * 1e6,
            others=max(0, spent.others) / spent.clock * 100,
            steal=spent.steal / spent.clock * 100,
            problem=problem,
        )

    def _rows(self) -> int:
        """Count the rows once no more arrive: those of the requests that wrk has left behind."""
        if not self.prepared.contender.table:
            return 0
        last = -1
        while (now := int(self._sql("SELECT count(*) FROM {}"))) != last:
            last = now
            time.sleep(0.3)
        return now

    def _settle(self) -> None:
        self._sql("VACUUM ANALYZE {}")
        self.postgres.sql("CHECKPOINT")

    def _sql(self, statement: str) -> str:
        table = self.prepared.contender.table
        return self.postgres.sql(statement.format(table), self.prepared.database) if table else ""


@dataclasses.dataclass(frozen=True, slots=True)
class _Spent:
    """Seconds, of processors but for `clock`."""

    server: float
    postgres: float
    others: float
    steal: float
    clock: float

    @classmethod
    def until_now(cls, server: Server | None, postgres: Cluster) -> "_Spent":
        of_server = machine.cpu_seconds(machine.group(server.pid)) if server else 0
        of_postgres = machine.cpu_seconds(postgres.pids())
        # This process's own, and its children's, of which one is the load.
        own = time.process_time() + machine.children_cpu_seconds()
        everything = machine.processors()
        others = everything.programs - of_server - of_postgres - own
        return cls(of_server, of_postgres, others, everything.steal, time.monotonic())

    def since(self, before: "_Spent") -> "_Spent":
        values = zip(dataclasses.astuple(self), dataclasses.astuple(before), strict=True)
        return _Spent(*(now - then for now, then in values))


def facts(postgres: Cluster) -> dict[str, object]:
    """Return what the figures depend on: the machine, PostgreSQL and its settings, Python."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "processor": model[1] if model else "",
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
        "postgresql": postgres.sql("SHOW server_version"),
        "settings": {name: postgres.sql(f"SHOW {name}") for name in cluster.SETTINGS},
    }


def _problem(found: load.Found) -> str:
    problems = {"answers outside 2xx": found.not_2xx, "socket errors": found.socket_errors}
    return ", ".join(f"{count:,} {name}" for name, count in problems.items() if count)


def _line(run: Run) -> str:
    problem = f", FAILED: {run.problem}" if run.problem else ""
    rate = f"{run.contender} {run.method} {run.per_second:,.0f}/s"
    return f"round {run.round + 1}: {rate}, others {run.others:.0f} %{problem}"
