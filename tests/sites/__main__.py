"""Drive the sites; the exit code is 0 where all of them are right."""

import argparse
import concurrent.futures
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import FrameType

from project.zephr_stand_in import ZephrStandIn

from . import at_hand, environments, processes, report, running
from .declared import SITES, Site
from .results import Result
from .site_files import ZEPHR_ACCESS_KEY, ZEPHR_SECRET_KEY

LIMIT = 12 * 60
"""Seconds after which all sites are stopped, installing included."""


def main() -> int:
    """Read the arguments, and drive the sites that they name."""
    parser = argparse.ArgumentParser(prog="python -m tests.sites", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME,NAME", help="the sites (default: all)")
    parser.add_argument("--list", action="store_true", help="only list the sites")
    parser.add_argument("--write", action="store_true", help=f"write their rows into {report.PAGE.name}")
    parser.add_argument("--jobs", type=int, default=3, help="sites at the same time (default: 3)")
    options = parser.parse_args()
    if options.list:
        print(report.listed())
        return 0
    names = [name for words in options.names for name in words.split(",") if name]
    if unknown := set(names) - {site.name for site in SITES}:
        parser.error(f"no such site: {', '.join(sorted(unknown))}; --list names them")
    chosen = [site for site in SITES if not names or site.name in names]
    sites = _possible(chosen)
    results = _run_all(sites, options.jobs)
    for result in results:
        if result.wrong:
            print(report.failure(result))
    print(f"\n{report.table(map(report.row, results))}")
    if options.write:
        report.write(results)
    passed = sum(not result.wrong for result in results)
    print(f"{passed} passed, {len(sites) - passed} failed, {len(chosen) - len(sites)} skipped")
    return int(passed < len(sites))


def _possible(sites: list[Site]) -> list[Site]:
    """Return the sites that this machine can have, and say what it lacks for others."""
    missing = at_hand.missing()
    for name, why in missing.items():
        print(f"{name} is missing: {why}", file=sys.stderr)
    possible = [site for site in sites if not at_hand.needs(site) & set(missing)]
    if left_out := [site.name for site in sites if site not in possible]:
        print(f"Left out for that: {', '.join(left_out)}", file=sys.stderr)
    if missing and os.environ.get("JAY_TESTS_MUST_NOT_SKIP"):
        sys.exit("Nothing may be left out here.")
    return possible


def _run_all(sites: list[Site], jobs: int) -> list[Result]:
    began = time.monotonic()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    late = threading.Timer(LIMIT, processes.stop_all)
    late.daemon = True
    late.start()
    with (
        tempfile.TemporaryDirectory(prefix="jay-sites-", ignore_cleanup_errors=True) as name,
        ZephrStandIn(ZEPHR_ACCESS_KEY, ZEPHR_SECRET_KEY) as zephr,
    ):
        room = Path(name)
        made = environments.Environments(room, environments.build(room))
        results = {}
        with concurrent.futures.ThreadPoolExecutor(jobs) as threads:
            waiting = [threads.submit(running.run, site, made, room, zephr.base_url) for site in sites]
            try:
                for done in concurrent.futures.as_completed(waiting):
                    if done.exception() is None:
                        result = done.result()
                        results[result.site.name] = result
                        print(report.summary(result), flush=True)
            except KeyboardInterrupt:
                processes.stop_all()
                threads.shutdown(cancel_futures=True)
    late.cancel()
    if processes.is_stopping():
        missing = [site.name for site in sites if site.name not in results]
        print(f"Stopped; not driven to the end: {', '.join(missing)}", file=sys.stderr)
    print(f"{len(results)} sites in {time.monotonic() - began:.0f} s")
    return [results[site.name] for site in sites if site.name in results]


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Once: what follows ends everything in order, and must be let.
    for other in (signal.SIGINT, signal.SIGTERM):
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped.")
