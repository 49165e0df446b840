"""Time each hand-made fast path beside plain code for the same: `python -m bench.fast_paths`.

DATABASE_URL names a PostgreSQL server, on which a database is made and dropped in the end. The figures are
processor time of this process: what the plain code makes PostgreSQL do, and waits for, comes on top.
"""

import argparse
import io
import os
from collections.abc import Iterator

from ..layers import database
from .pair import Found, Pair, measured

SETTINGS = {"DJANGO_SETTINGS_MODULE": "project.settings", "SECRET_KEY": "bench", "JAY_RECORDER": "group"}


def figures() -> Iterator[tuple[Pair, Found]]:
    """Measure them, in a database that has no table yet."""
    os.environ.update(SETTINGS)
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    said = io.StringIO()
    call_command("jay_create_api_key", "bench", stdout=said)
    from . import core, site

    for pair in (*site.pairs(said.getvalue().strip()), *core.pairs()):
        yield pair, measured(pair)


def line(pair: Pair, found: Found) -> str:
    """Return the row of a table."""
    saved = [f"{found.saved * share:,.1f}" if share else "-" for share in (pair.post, pair.get)]
    times = [f"{found.fast:,.1f}", f"{found.plain:,.1f}", f"{found.fast / found.plain:.2f}"]
    return f"| {' | '.join([pair.name, pair.says, *times, *saved])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        parser.error("set DATABASE_URL to a PostgreSQL server on which databases may be created")
    print("| fast path | plain code | µs | plain, µs | ratio | saved a POST, µs | saved a GET, µs |")
    print(f"| --- | --- |{' ---: |' * 5}", flush=True)
    with database(url):
        for pair, found in figures():
            print(line(pair, found), flush=True)


if __name__ == "__main__":
    main()
