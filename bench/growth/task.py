"""A task for a process of its own: one database, filled and measured."""

import dataclasses
import datetime
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """What to fill and what to measure.

    `tree` is the working tree that is measured. `rows` are sessions of a year, or with `is_day` of one day.
    `counts`: `jay_rollup_sessions` counts them. Without it, `pages` and `purge` write the numbers themselves.
    """

    tree: str
    rows: int
    is_partitioned: bool
    is_day: bool = False
    counts: bool = False
    pages: bool = False
    load: bool = False
    purge: bool = False
    starts: int = 20_000
    month: int = 4_000_000

    def run(self, database_url: str) -> dict[str, Any]:
        """Measure in an empty database; returns the figures."""
        command = [sys.executable, "-m", "bench.growth.measure", json.dumps(dataclasses.asdict(self))]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JAY_")}
        environment |= {"DATABASE_URL": database_url, "SECRET_KEY": "bench-" * 10, "JAY_RECORDER": "group"}
        environment["TIME_ZONE"] = zone_at_noon(datetime.datetime.now(datetime.UTC))
        if self.is_partitioned:
            environment["JAY_PARTITIONS"] = "month"
        done = subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
        figures: dict[str, Any] = json.loads(done.stdout)
        return figures


def zone_at_noon(now: datetime.datetime) -> str:
    """Return a zone in which it is between 12 and 13 o'clock: so there is half a day for today's sessions."""
    # The names have the sign the other way round.
    return f"Etc/GMT{now.hour - 12:+d}"
