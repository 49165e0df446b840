"""Fails for each module of the app that the tests cover too little, unless CONTRIBUTING.md says why.

It reads the data file that a run of the whole suite with coverage has left.
"""

import json
import re
import sys
import tempfile
from pathlib import Path

from coverage import Coverage

FLOOR = 94
"""The least share of a module's lines and branches, in percent."""

ROOT = Path(__file__).resolve().parent.parent


def shares() -> dict[str, float]:
    """Return by module which share of it was covered, in percent."""
    measured = Coverage(config_file=str(ROOT / "pyproject.toml"))
    measured.load()
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.json"
        measured.json_report(outfile=str(report))
        files = json.loads(report.read_text())["files"]
    return {name: file["summary"]["percent_covered"] for name, file in files.items()}


def main() -> int:
    rows = re.findall(r"^\| `(jay_sessions/\S+)` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    low = {name: share for name, share in shares().items() if share < FLOOR and name not in rows}
    for name, share in sorted(low.items()):
        print(f"{name}: {share:.0f} % is covered. Test it, or say in CONTRIBUTING.md why it is not.")
    return bool(low)


if __name__ == "__main__":
    sys.exit(main())
