"""Measure what analysts see, at several sizes: `python -m bench.analytics [SIZE ...]`.

Each size gets a PostgreSQL database of its own, on the server that DATABASE_URL names, dropped in the end.
"""

import argparse
import json
import os
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import psycopg

SIZES = (10_000, 1_000_000, 10_000_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sizes", nargs="*", type=int, metavar="SIZE", help="sessions; default: up to 10,000,000"
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave the databases, jay_bench_SIZE, as they are"
    )
    parser.add_argument(
        "--again", action="store_true", help="fill nothing; measure once more what --keep has left"
    )
    options = parser.parse_args()
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        parser.error("set DATABASE_URL to a PostgreSQL server on which databases may be created")
    sizes = sorted(options.sizes or SIZES, reverse=True)
    found = {size: measured(url, size, keep=options.keep, again=options.again) for size in sizes}
    tell(dict(sorted(found.items())))


def measured(url: str, size: int, *, keep: bool, again: bool) -> dict[str, Any]:
    """Return the figures of one size."""
    name = f"jay_bench_{size}"
    with psycopg.connect(url, autocommit=True) as server:
        if not again:
            server.execute(f"DROP DATABASE IF EXISTS {name}")
            server.execute(f"CREATE DATABASE {name}")
        try:
            environment = {**os.environ, "DATABASE_URL": urlsplit(url)._replace(path=f"/{name}").geturl()}
            command = [sys.executable, "-m", "bench.analytics.measure", str(size)]
            command += ["--again"] if again else []
            done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE)
            figures: dict[str, Any] = json.loads(done.stdout)
            print(f"{size:,}: {figures['took']}", file=sys.stderr)
            return figures
        finally:
            if not keep:
                server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def tell(found: dict[int, dict[str, Any]]) -> None:
    """Print the figures as Markdown: milliseconds, and how they grow; plain ones beside ours."""
    first, last = min(found), max(found)
    names = [name for name in found[last]["pages"] if not name.startswith("plain: ")]
    heads = ["page", *(f"{size:,}" for size in found), "growth", f"plain at {last:,}", "plain / ours"]
    print(f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    for name in names:
        ours = [found[size]["pages"][name] for size in found]
        growth = found[last]["pages"][name] / found[first]["pages"][name]
        plain = found[last]["pages"].get(f"plain: {name}")
        beside = ["-", "-"] if plain is None else [f"{plain:,.0f} ms", f"{plain / ours[-1]:.1f}"]
        print(f"| {' | '.join([name, *(f'{one:,.0f} ms' for one in ours), f'{growth:.1f}', *beside])} |")
    print()
    for size, figures in found.items():
        export = figures["export"]
        took = "".join(f"{what} in {seconds:,.0f} s; " for what, seconds in figures["took"].items())
        print(
            f"{size:,}: {took}export {export['rows a second']:,.0f} rows/s, "
            f"{export['MiB']:,.0f} MiB at the most"
        )


if __name__ == "__main__":
    main()
