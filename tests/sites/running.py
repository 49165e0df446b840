"""One site from nothing to its end: made, checked, served, driven, taken away."""

import contextlib
import dataclasses
import time
import traceback
from collections.abc import Iterable
from pathlib import Path

from . import at_hand, servers, site_files
from .client import OverHttp
from .databases import DATABASES
from .declared import Site
from .drive import Step, admin, api, chromium, commands, wire
from .environments import Environments
from .inside import inside
from .processes import NotRight, Stopped, is_stopping
from .results import Result
from .talk import talk
from .visit import Visit, need


def run(site: Site, environments: Environments, room: Path, zephr_url: str) -> Result:
    """Drive a site in a folder of its own below `room`. Raises Stopped alone."""
    result = Result(site)
    began = time.monotonic()
    place = room / site.name
    place.mkdir()
    log = place / "log"
    log.touch()
    try:
        result.environment = environments.get(site.environment)
        with DATABASES[site.database].open(site.name, place) as database:
            project = place / "project"
            site_files.make(site, result.environment.python, project, database, zephr_url)
            client = OverHttp(result.environment.python, project)
            _drive(Visit(site, result.environment, client, place), result, log)
    except Stopped:
        raise
    except NotRight as error:
        result.wrong.append(("the site is made", str(error)))
    except Exception:  # noqa: BLE001 (it is told, like any fault)
        if is_stopping():
            raise Stopped from None
        result.wrong.append(("the site is made", traceback.format_exc()))
    result.log = log.read_text(errors="replace")
    result.seconds = time.monotonic() - began
    return result


def _drive(visit: Visit, result: Result, log: Path) -> None:
    site = visit.site
    if site.refused:
        _do([(f"check refuses it with {site.refused}", _is_refused)], visit, result)
        return
    with contextlib.ExitStack() as stack:
        if site.server == "test client":
            visit.use(stack.enter_context(inside(visit.environment.python, visit.room / "project", log)))
        _do(_of(commands.BEFORE, site), visit, result)
        if not _do([("it is migrated, and has a key", commands.sets_up)], visit, result):
            return
        if isinstance(visit.client, OverHttp):
            place = visit.client.site
            forks = stack.enter_context(talk(visit.environment.python, "forks_site.py", place, log))
            visit.use(dataclasses.replace(visit.client, forks=forks))
        _do([("check finds no error", commands.checks), *_of(commands.AFTER, site)], visit, result)
        if isinstance(visit.client, OverHttp):
            port = stack.enter_context(servers.serving(site.server, visit.environment.bin, place, log))
            visit.use(dataclasses.replace(visit.client, port=port), port)
        _do(_steps(site), visit, result)
    _do([("the server logs no traceback", lambda _: _is_quiet(log))], visit, result)


def _steps(site: Site) -> Iterable[Step]:
    yield from api.STEPS
    yield from wire.steps(site.server)
    yield from commands.STEPS
    yield from (("the statistics count them from the rollups too", api.counts),)
    if site.admin != "none":
        yield from admin.STEPS
        if site.server == "runserver" and not at_hand.why_no_chromium():
            yield from chromium.STEPS
    yield ("jay_erase_user erases", commands.erases)


def _of(steps: dict[str, tuple[Step, ...]], site: Site) -> list[Step]:
    return [step for variation in site.variations for step in steps.get(variation, ())]


def _do(steps: Iterable[Step], visit: Visit, result: Result) -> bool:
    """Take the steps, also those after one that is wrong; say whether all were right."""
    wrong = len(result.wrong)
    for title, step in steps:
        try:
            step(visit)
        except Stopped:
            raise
        except NotRight as error:
            result.wrong.append((title, str(error)))
        except Exception:  # noqa: BLE001 (it is told, like any fault)
            if is_stopping():
                raise Stopped from None
            result.wrong.append((title, traceback.format_exc()))
        else:
            result.right.append(title)
    return len(result.wrong) == wrong


def _is_refused(visit: Visit) -> None:
    done = visit.client.manage("check")
    need(done.code != 0 and visit.site.refused in done.err, f"it is an error {visit.site.refused}", done)
    need("Traceback" not in done.err, "without a traceback", done)


def _is_quiet(log: Path) -> None:
    text = log.read_text(errors="replace")
    start = text.find("Traceback")
    need(start < 0, "the log has no traceback", text[max(0, start - 500) : start + 3000])
