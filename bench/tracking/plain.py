"""A site made by `startproject` with the README's five lines, on PostgreSQL: prints its key.

    python -m bench.tracking.plain NAME [wsgi | asgi]

makes it in `build/bench/NAME`, with the fast lane for WSGI or ASGI if that is named.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

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
    place.mkdir(parents=True)
    _run(place, "-m", "django", "startproject", "mysite", ".")
    settings, urls = _lines_of_the_readme()
    _append(place / "mysite/settings.py", settings + SETTINGS)
    _append(place / "mysite/urls.py", urls)
    if lane:
        module = place / f"mysite/{lane}.py"
        line = f"from django.core.{lane} import"
        module.write_text(module.read_text().replace(line, f"from jay_sessions.lane.{lane} import"))
    _run(place, "manage.py", "migrate", "--verbosity", "0")
    print(_run(place, "manage.py", "jay_create_api_key", "bench").split()[-1])


def _lines_of_the_readme() -> list[str]:
    section = (ROOT / "README.md").read_text().split("\n## Add it to your site\n")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)[:2]


def _append(module: Path, lines: str) -> None:
    with module.open("a") as file:
        file.write(f"\n{lines}")


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
