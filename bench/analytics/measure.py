"""One size: fill the database that DATABASE_URL names, measure, and print the figures as JSON."""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import django
from django.core.management import call_command

ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--again", action="store_true", help="the database is filled already")
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.analytics.settings"
    os.environ.setdefault("SECRET_KEY", "bench")
    django.setup()
    # Only now are there models to import.
    from . import pages

    took = {} if options.again else filled(options.count)
    figures = {name: median(ask) for name, ask in pages.pages().items()}
    json.dump({"took": took, "pages": figures, "export": export(options.count)}, sys.stdout)


def filled(count: int) -> dict[str, float]:
    """Fill the database and roll it up; return the seconds that each took."""
    from . import fill

    call_command("migrate", verbosity=0)
    took = {"filled": timed(lambda: fill.fill(count))}
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        took["rolled up"] = timed(lambda: call_command("jay_rollup_sessions", stdout=nowhere, stderr=nowhere))
    # As PostgreSQL does by itself, a while later.
    fill.vacuum("jay_daily_count", "jay_playout_windows")
    return took


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median(ask: Callable[[], object]) -> float:
    """Return the milliseconds that it takes, once warm."""
    ask()
    return statistics.median(timed(ask) for _ in range(ROUNDS)) * 1000


def export(count: int) -> dict[str, float]:
    """Return the rows a second of an export to a file, and the most memory that it takes, in MiB."""
    command = [sys.executable, "manage.py", "jay_export_sessions", "--output", "-"]
    seconds = timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {"rows a second": count / seconds, "MiB": most}


if __name__ == "__main__":
    main()
