"""A site made by `startproject` with the README's five lines, on PostgreSQL: prints its key.

    python -m bench.tracking.plain NAME [wsgi | asgi]

makes it in `build/bench/NAME`, with the fast lane for WSGI or ASGI if that is named.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.sites.startproject import append, new, take_the_lane

from .environment import ROOT

SETTINGS = """
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]

import dj_database_url
DATABASES = {"default": dj_database_url.config(conn_max_age=0)}
"""


def folder(name: str) -> Path:
    """Return the folder of a site, below the repository's root."""
    return Path("build", "bench", name)


def main(name: str, lane: str = "") -> None:
    place = ROOT / folder(name)
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    package = new(Path(sys.executable), place)
    append(package / "settings.py", SETTINGS)
    if lane:
        take_the_lane(package / f"{lane}.py", lane)
    _run(place, "manage.py", "migrate", "--verbosity", "0")
    print(_run(place, "manage.py", "jay_create_api_key", "bench").split()[-1])


def _run(place: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


if __name__ == "__main__":
    main(*sys.argv[1:])
