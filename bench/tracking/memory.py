"""The memory of a worker over many requests: what a client makes up must not stay in it."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from . import cluster, load, machine, report
from .cluster import Cluster
from .contenders import CONTENDERS
from .serving import Server, prepare, serving

NAMES = ("lane", "async_lane")
CONNECTIONS = 64
PARTS = 4
KINDS = 8
EXPECTED = {"200": 4, "400": 2, "401": 2}
"""How many of the kinds in memory.lua are answered by which status."""
SLICE = 10
"""Seconds of load at the most between looks at how much is still to be sent."""


def measure(requests: int, threads: int) -> Iterator[str]:
    """Give the lines of a table: MiB of one worker of each lane, at the beginning and after each quarter.

    RuntimeError: the answers are not those that the requests ask for.
    """
    yield "\n### Memory of a worker\n"
    with tempfile.TemporaryDirectory() as name, cluster.running() as postgres:
        found = [_measured(one, postgres, Path(name), requests, threads) for one in NAMES]
    parts = [f"{requests * part // PARTS:,}" for part in range(PARTS + 1)]
    rows = list(zip(parts, *found, strict=True))
    yield from report.table(("requests", *(f"{name}, MiB" for name in NAMES)), rows)


def _measured(name: str, postgres: Cluster, directory: Path, requests: int, threads: int) -> list[str]:
    """Return the MiB at the beginning and after each quarter."""
    prepared, found = prepare(CONTENDERS[name], postgres), []
    # A line for each refused host would be all that there is in the log.
    quiet = {"LOG_LEVEL": "CRITICAL"}
    with serving(prepared, postgres, workers=1, threads=threads, log=directory / "log", **quiet) as server:
        tokens = directory / "tokens"
        tokens.write_text("\n".join(load.make_tokens(server)) + "\n")
        # Until all that is there once, is there.
        first = _send(server, tokens, 0, SLICE)
        sent = 0
        for part in range(PARTS + 1):
            sent += _send_until(server, tokens, first + sent, requests * part // PARTS - sent)
            memory = max(map(machine.resident, machine.group(server.pid)))
            print(f"{name}, {sent:,} requests: {memory:.1f} MiB", file=sys.stderr, flush=True)
            found.append(f"{memory:.1f}")
    return found


def _send_until(server: Server, tokens: Path, first: int, wanted: int) -> int:
    """Send as many as are wanted, or a few more; returns how many."""
    sent, seconds = 0, 1
    while sent < wanted:
        found = _send(server, tokens, first + sent, seconds)
        sent += found
        seconds = min(SLICE, max(1, (wanted - sent) * seconds // found))
    return sent


def _send(server: Server, tokens: Path, first: int, seconds: int) -> int:
    variables = {"MEMORY_KEY": server.key, "MEMORY_FILE": str(tokens), "MEMORY_FIRST": str(first)}
    found = load.wrk(server, "memory.lua", variables, connections=CONNECTIONS, seconds=seconds)
    count = int(sum(found.values()))
    # Of those under way in the end, the kinds are not the same.
    if set(found) != set(EXPECTED) or any(
        abs(found[status] - count * share / KINDS) > CONNECTIONS for status, share in EXPECTED.items()
    ):
        raise RuntimeError(f"Answers by status: {found}")
    return count
