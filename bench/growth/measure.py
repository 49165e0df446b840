"""One database: fill it, measure, and print the figures as JSON. Its argument is a `Task` as JSON."""

import datetime
import json
import os
import sys
from typing import Any

import django
from django.core.management import call_command

# Imported first, so that these are those of this tree; what they measure is that of the task's tree.
from bench.analytics import measure as analytics

from . import counting, filling, load, purging
from .task import Task

_NEWEST = datetime.timedelta(minutes=5)


def main() -> None:
    task = Task(**json.loads(sys.argv[1]))
    sys.path.insert(0, task.tree)
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.growth.settings"
    django.setup()
    import jay_sessions

    assert jay_sessions.__file__.startswith(task.tree), jay_sessions.__file__
    call_command("migrate", verbosity=0)
    json.dump(of_a_day(task) if task.is_day else of_a_year(task), sys.stdout)


def of_a_day(task: Task) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC)
    _fill(task, counting.today(task.rows, now))
    return {"a run": counting.with_new_ones(task.rows, now)}


def of_a_year(task: Task) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC)
    span = filling.year(task.rows, now - _NEWEST)
    figures: dict[str, Any] = {"filled": analytics.timed(lambda: _fill(task, span))}
    figures["bytes"] = filling.sizes()
    if task.counts:
        figures["counted"] = counting.from_nothing(task.rows)
    elif task.pages or task.purge:
        counting.write(now)
    if task.pages:
        figures["pages"] = _pages()
    if task.load:
        figures["load"] = load.measure(task.rows, task.starts)
    if task.purge:
        figures["purge"] = purging.measure(task.rows, task.month)
    return figures


def _fill(task: Task, span: filling.Span) -> None:
    (filling.partitioned if task.is_partitioned else filling.plain)(span)


def _pages() -> dict[str, float]:
    # Only now are there models to import.
    from bench.analytics import pages

    found = pages.pages().items()
    return {name: analytics.median(ask) for name, ask in found if not name.startswith("plain: ")}


if __name__ == "__main__":
    main()
