"""What a run needs: programs of this machine, and Python packages in an environment of its own."""

import glob
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv-bench"
PYTHON = str(VENV / "bin" / "python")
REQUIREMENTS = (ROOT / "requirements.txt", Path(__file__).with_name("requirements.txt"))


def missing() -> str:
    """Return in one line what this machine lacks, empty where it has all."""
    lacks = []
    if sys.platform != "linux":
        lacks.append("Linux")
    if shutil.which("wrk") is None:
        lacks.append("wrk")
    if postgres_programs() is None:
        lacks.append("the server programs of PostgreSQL (initdb, pg_ctl, pgbench)")
    return f"bench.tracking needs {', '.join(lacks)}." if lacks else ""


def postgres_programs() -> Path | None:
    """Return the directory of PostgreSQL's newest server programs; None where there are none."""
    found = [Path(name).parent for name in glob.glob("/usr/lib/postgresql/*/bin/pg_ctl")]  # noqa: PTH207
    if on_path := shutil.which("pg_ctl"):
        found.append(Path(on_path).resolve().parent)
    complete = [one for one in found if (one / "initdb").exists() and (one / "pgbench").exists()]
    return max(complete, key=_version, default=None)


def install() -> None:
    """Make the environment, anew where it is not there or holds what other requirements asked for."""
    wanted = hashlib.sha256(sys.version.encode())
    for file in REQUIREMENTS:
        wanted.update(file.read_bytes())
    stamp = VENV / "installed"
    if stamp.exists() and stamp.read_text() == wanted.hexdigest():
        return
    print(f"Installing packages into {VENV.name} …", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for file in REQUIREMENTS:
        subprocess.run([*pip, "--require-hashes", "-r", str(file)], check=True)
    stamp.write_text(wanted.hexdigest())


def environment(database_url: str, extra: dict[str, str] | None = None) -> dict[str, str]:
    """Return a contender's variables; of the caller's own, only what any program needs."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "DATABASE_URL": database_url, **(extra or {})}


def run(module: str, variables: dict[str, str], root: Path, *arguments: str) -> str:
    """Run a module of a repository; returns what it prints. RuntimeError: it failed, with what it said."""
    command = [PYTHON, "-m", module, *arguments]
    done = subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{module} failed:\n{done.stderr}")
    return done.stdout


def _version(programs: Path) -> tuple[int, ...]:
    said = subprocess.run([programs / "pg_ctl", "--version"], capture_output=True, text=True, check=True)
    return tuple(int(part) for part in said.stdout.split()[2].split(".") if part.isdigit())
