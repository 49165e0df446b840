"""What the judge said of each case, kept in `build/outages/`, one file a case; run it for a table."""

import dataclasses
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .judge import Verdict

PLACE = Path(__file__).parent.parent.parent / "build" / "outages"


def note(case: str, verdict: "Verdict") -> None:
    """Keep the verdict on a case; one of before is replaced."""
    PLACE.mkdir(parents=True, exist_ok=True)
    said = {"case": case, "summary": str(verdict), **dataclasses.asdict(verdict)}
    name = re.sub(r"\W+", "-", case).strip("-")
    (PLACE / f"{name}.json").write_text(json.dumps(said, indent=1), encoding="utf-8")


def table() -> str:
    """Return what is kept as a table in Markdown."""
    lines = ["| case | what clients saw | held |", "| --- | --- | --- |"]
    for file in sorted(PLACE.glob("*.json")):
        said = json.loads(file.read_text(encoding="utf-8"))
        held = "yes" if not said["faults"] else "; ".join(said["faults"]).replace("|", "/")
        lines.append(f"| {said['case']} | {said['summary']} | {held} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
