"""Measure all of it and print it as Markdown: `python -m bench.zephr`, for parts of it their names."""

import argparse
from collections.abc import Iterable, Sequence

from . import memory, overhead, parts, sharing

PARTS = ("overhead", "sharing", "memory")


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table, row by row as they come."""
    print(f"\n{title}\n")
    for row in (heads, ["---"] * len(heads)):
        print(f"| {' | '.join(row)} |")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)}; default: all")
    wanted = parser.parse_args().parts or PARTS
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    with parts.redis() as redis_url:
        if not redis_url:
            print("Without redis-server, what needs it is left out.")
        if "overhead" in wanted:
            heads = ("cache", "bare view", "proxied", "ratio", "more per answer")
            table("Overhead of a cached answer", heads, overhead.measure(redis_url))
        if "sharing" in wanted:
            title = f"{sharing.REQUESTS} requests at the same time for one session"
            heads = ("site", "rounds", "calls of Zephr, median", "at most", "a round takes")
            table(title, heads, sharing.measure(redis_url))
    if "memory" in wanted:
        rows = memory.measure()
        table("Memory", ("Zephr answers", "calls", "worker before", "worker at the most"), rows)


if __name__ == "__main__":
    main()
