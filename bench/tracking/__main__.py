"""Measure tracking sessions, ours beside others', and print Markdown: `python -m bench.tracking`.

`memory` and `start` measure a worker's memory over many requests, and how fast it starts. Needs Linux, wrk
and PostgreSQL's server programs; Python packages are installed into `.venv-bench`.
"""

import argparse
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from . import compare, environment, memory, report, start
from .contenders import CONTENDERS, GET, OUR_SETUP, PLAIN_SETUP, POST


def names(known: Iterable[str]) -> Callable[[str], list[str]]:
    """Return what reads names between commas, of those that are known."""
    allowed = list(known)

    def read(text: str) -> list[str]:
        given = text.split(",")
        if unknown := [name for name in given if name not in allowed]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is none of {', '.join(allowed)}")
        return given

    return read


def positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be 1 at least")
    return number


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m bench.tracking",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument("part", nargs="?", choices=("compare", "memory", "start"), default="compare")
    made.add_argument("--series", choices=("machine", "core"), default="machine", help="what runs where")
    made.add_argument("--methods", type=names((POST, GET)), default=f"{POST},{GET}")
    made.add_argument("--contenders", type=names(CONTENDERS), default=",".join(CONTENDERS))
    made.add_argument("--connections", type=positive, default=64)
    made.add_argument("--rounds", type=positive, default=3)
    made.add_argument("--seconds", type=positive, default=6, help="of each measurement")
    made.add_argument("--threads", type=positive, default=32, help="of each worker of ours")
    made.add_argument(
        "--before", type=Path, metavar="DIR", default=None, help="ours also as in this other working tree"
    )
    made.add_argument("--json", type=Path, metavar="FILE", default=None, help="where the raw figures go")
    made.add_argument("--requests", type=positive, default=1_000_000, help="for memory")
    return made


def main() -> None:
    given = parser().parse_args()
    if lacking := environment.missing():
        sys.exit(lacking)
    if given.series == "core" and not os.sched_getaffinity(0) >= {0, 1}:
        sys.exit("The series core needs the cores 0 and 1.")
    # So that what was started is stopped again.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))
    environment.install()
    if given.part == "memory":
        lines: Iterable[str] = memory.measure(given.requests, given.threads)
        failed = False
    elif given.part == "start":
        lines, failed = start.measure(), False
    else:
        lines, failed = compared(given)
    for line in lines:
        print(line, flush=True)
    if failed:
        sys.exit("Not everything was answered and stored: see FAILED above.")


def compared(given: argparse.Namespace) -> tuple[Iterable[str], bool]:
    """Return the lines of the tables, and whether a run failed."""
    contenders = [CONTENDERS[name] for name in given.contenders]
    if given.before:
        ours = [one for one in contenders if one.setup in (OUR_SETUP, PLAIN_SETUP)]
        contenders += [one.before(given.before.resolve(strict=True)) for one in ours]
    options = compare.Options(
        contenders=contenders,
        methods=given.methods,
        series=given.series,
        connections=given.connections,
        rounds=given.rounds,
        seconds=given.seconds,
        threads=given.threads,
    )
    facts, runs = compare.measure(options)
    if given.json:
        found = {"facts": facts, "runs": [dataclasses.asdict(run) for run in runs]}
        given.json.write_text(json.dumps(found, indent=1) + "\n")
    return report.tables(runs), any(run.problem for run in runs)


if __name__ == "__main__":
    main()
