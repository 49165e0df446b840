"""Runs as Markdown tables: medians over the rounds, ratios taken within each round."""

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence

from .compare import Run
from .contenders import BASELINES, BEFORE, LIMITS


def tables(runs: Sequence[Run]) -> Iterator[str]:
    """Give the lines of a table for each method."""
    for method in dict.fromkeys(run.method for run in runs):
        yield from _table(method, [run for run in runs if run.method == method])


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Give the lines of a table: names in its first column, numbers in the others."""
    yield f"| {' | '.join(heads)} |"
    yield f"| --- |{' ---: |' * (len(heads) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _table(method: str, runs: Sequence[Run]) -> Iterator[str]:
    there = {run.contender for run in runs}
    beside = [name for name in (*BASELINES, *LIMITS) if name in there]
    # Each beside its own name in the other working tree.
    if any(name.endswith(BEFORE) for name in there):
        beside.append(BEFORE)
    figures = ["requests/s", "p50 ms", "p99 ms", "CPU µs", "PostgreSQL µs"]
    heads = ["contender", *figures, *(f"/ {name.lstrip('_')}" for name in beside), "others %", "steal %"]
    yield f"\n### {method}\n"
    rows = (_row(name, runs, beside) for name in dict.fromkeys(run.contender for run in runs))
    yield from table(heads, rows)


def _row(name: str, runs: Sequence[Run], beside: Sequence[str]) -> list[str]:
    mine = [run for run in runs if run.contender == name]

    def median(value: Callable[[Run], float | None], form: str) -> str:
        values = [one for one in map(value, mine) if one is not None]
        return format(statistics.median(values), form) if values else "-"

    return [
        name if not any(run.problem for run in mine) else f"{name} (FAILED)",
        _span([run.per_second for run in mine], ",.0f"),
        median(lambda run: run.p50_ms, ",.1f"),
        median(lambda run: run.p99_ms, ",.1f"),
        median(lambda run: run.cpu_us, ",.0f"),
        median(lambda run: run.postgres_us, ",.0f"),
        *(_ratio(name, runs, name + BEFORE if other == BEFORE else other) for other in beside),
        median(lambda run: run.others, ",.0f"),
        median(lambda run: run.steal, ",.0f"),
    ]


def _ratio(name: str, runs: Sequence[Run], other: str) -> str:
    theirs = {run.round: run.per_second for run in runs if run.contender == other}
    if name == other or not theirs:
        return "1" if theirs else "-"
    return _span([run.per_second / theirs[run.round] for run in runs if run.contender == name], ".2f")


def _span(values: Sequence[float], form: str) -> str:
    middle, least, most = (format(pick(values), form) for pick in (statistics.median, min, max))
    return middle if len(values) == 1 else f"{middle} ({least} to {most})"
