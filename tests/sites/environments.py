"""The virtual environments of the sites: pinned packages and the wheel, installed by uv, and shared."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from .processes import NotRight, run
from .startproject import ROOT

REQUIREMENTS = Path(__file__).parent / "requirements"
UV = Path(sys.executable).parent / "uv"

PYTHONS = ("3.14", "3.13", "3.12", "3.11")

ENVIRONMENTS = {
    "newest": PYTHONS,
    "django60": PYTHONS,
    "drivers": PYTHONS,
    "uwsgi": PYTHONS,
    "oldest": ("3.11", "3.12", "3.13", "3.14"),
}
"""Which Python each environment has: the first of these that the machine has."""

ASK = "import sys, ssl, sqlite3, venv; print('%d.%d' % sys.version_info[:2], sys.executable)"
VERSIONS = """
import importlib.metadata as m, json, platform, re
all = {d.name.lower(): d for d in m.distributions()}
series = re.compile(r"Framework :: Django :: (\\d+)\\.(\\d+)$")
found = {n: [series.match(c) for c in d.metadata.get_all("Classifier") or []] for n, d in all.items()}
newest = {n: max((int(c[1]), int(c[2])) for c in f if c) for n, f in found.items() if any(f)}
versions = {n: d.version for n, d in all.items()}
print(json.dumps([platform.python_version(), versions, {n: "%d.%d" % v for n, v in newest.items()}]))
"""


@dataclasses.dataclass(frozen=True)
class Environment:
    """A virtual environment: where it is, and by the packages' names in lower case, which versions it has.

    `declared` is the newest Django that a package declares.
    """

    bin: Path
    python_version: str
    versions: dict[str, str]
    declared: dict[str, str]

    @property
    def python(self) -> Path:
        """Its Python."""
        return self.bin / "python"


class Environments:
    """Makes each environment when it is first asked for, in `room`; other threads wait for it."""

    def __init__(self, room: Path, wheel: Path) -> None:
        self._room, self._wheel = room / "environments", wheel
        self._room.mkdir()
        self._locks = {name: threading.Lock() for name in ENVIRONMENTS}
        self._made: dict[str, Environment] = {}

    def get(self, name: str) -> Environment:
        """Return the environment of this name. Raises NotRight where it cannot be made."""
        with self._locks[name]:
            if name not in self._made:
                self._made[name] = self._make(name)
            return self._made[name]

    def _make(self, name: str) -> Environment:
        place = self._room / name
        uv(self._room, "venv", "--python", find_python(ENVIRONMENTS[name]), place)
        python = place / "bin" / "python"
        pinned = REQUIREMENTS / f"{name}.txt"
        uv(self._room, "pip", "install", "--python", python, "--require-hashes", "-r", pinned)
        uv(self._room, "pip", "install", "--python", python, "--no-deps", self._wheel)
        uv(self._room, "pip", "check", "--python", python)
        return _described(place / "bin", self._room)


def _described(bin_: Path, room: Path) -> Environment:
    return Environment(bin_, *json.loads(run(bin_ / "python", "-c", VERSIONS, cwd=room).right().out))


def uv(cwd: Path, *words: str | Path) -> None:
    """Run uv, which compiles what has no wheel. Raises NotRight where it fails."""
    run(UV, *words, cwd=cwd, timeout=300, UV_NO_PROGRESS="1", UV_PYTHON_DOWNLOADS="never").right()


def build(room: Path) -> Path:
    """Build the wheel of this tree, and return where it is."""
    uv(room, "build", "--wheel", "--out-dir", room / "dist", ROOT)
    (wheel,) = (room / "dist").glob("*.whl")
    return wheel


def find_python(wanted: tuple[str, ...]) -> str:
    """Return the first of these Pythons that the machine has. Raises NotRight for none."""
    found = dict(filter(None, map(_answer, _candidates())))
    for version in wanted:
        if version in found:
            return found[version]
    raise NotRight(f"No Python {' or '.join(wanted)} with ssl, sqlite3 and venv is to be found.")


def _candidates() -> list[str]:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    named = [path for version in PYTHONS if (path := shutil.which(f"python{version}"))]
    return [sys.executable, *named, *map(str, sorted(pyenv.glob("3.*/bin/python")))]


def _answer(python: str) -> tuple[str, str] | None:
    with tempfile.TemporaryFile() as nowhere:
        done = subprocess.run(
            [python, "-c", ASK], stdout=subprocess.PIPE, stderr=nowhere, text=True, timeout=20, check=False
        )
    version, _, path = done.stdout.strip().partition(" ")
    return (version, path) if done.returncode == 0 else None
