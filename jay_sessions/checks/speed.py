"""System checks of what makes requests slow. Each message has the line to write instead."""

import contextlib
import gc
from types import FunctionType, ModuleType
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Tags, register
from django.db import router
from django.utils.module_loading import import_string

from .. import conf, pinning
from ..lane import site
from ..lane.asgi import AsyncFastLane
from ..lane.wsgi import FastLane
from ..models import TrackingSession
from .database import database_of_sessions, has_psycopg_2
from .settings import parsed


@register(deploy=True)
def check_connections(**kwargs: Any) -> list[CheckMessage]:
    """Warn if each tracking request opens a connection to PostgreSQL: that takes most of its time."""
    database, vendor = database_of_sessions()
    lasts = database.get("CONN_MAX_AGE", 0) != 0 or database.get("OPTIONS", {}).get("pool")
    if vendor != "postgresql" or lasts:
        return []
    recorder = parsed()[0].get("recorder")
    if recorder == "group" or (recorder is None and not has_psycopg_2(database["ENGINE"])):
        return []
    remedy = "Remove RECORDER" if recorder else 'Type: pip install "psycopg[binary]"'
    alias = router.db_for_write(TrackingSession)
    return [
        checks.Warning(
            "Under WSGI, each tracking request opens a connection to PostgreSQL. It takes most of the time.",
            hint=f'{remedy}; or write: DATABASES["{alias}"]["CONN_MAX_AGE"] = 60',
            id="jay_sessions.W132",
        )
    ]


@register(deploy=True)
def check_lane(**kwargs: Any) -> list[CheckMessage]:
    """Propose the fast lane for a site without it."""
    values, _ = parsed()
    # With a PROVIDER_RESOLVER, the lane passes on each request.
    if values.get("provider_resolver") is not None or not settings.WSGI_APPLICATION or _has_a_lane():
        return []
    name = settings.WSGI_APPLICATION.rpartition(".")[0]
    bypassed = site.unaccounted()
    caution = f" Its answers bypass {', '.join(bypassed)}." if bypassed else ""
    return [
        checks.Info(
            "The site has no fast lane. It answers more tracking requests, under ASGI several times as many."
            + caution,
            hint=f"Write, in {name.replace('.', '/')}.py: from jay_sessions.lane.wsgi import "
            "get_wsgi_application; remove the import of the same name from django.core.wsgi. If the site is "
            "served by ASGI, write, in asgi.py: from jay_sessions.lane.asgi import get_asgi_application",
            id="jay_sessions.I001",
        )
    ]


@register(Tags.security, deploy=True)
def check_bypassed(**kwargs: Any) -> list[CheckMessage]:
    """Name the middleware that the fast lane's answers bypass, if the site has a lane."""
    if not _has_a_lane():
        return []
    return [
        checks.Warning(
            f"The fast lane's answers bypass {path}, which might add to them or refuse them.",
            hint="If this middleware does nothing for tracking requests, write: SILENCED_SYSTEM_CHECKS "
            '= ["jay_sessions.W106"]; otherwise, write in wsgi.py: from django.core.wsgi import '
            "get_wsgi_application, and the equivalent in asgi.py.",
            id="jay_sessions.W106",
        )
        for path in site.unaccounted()
    ]


def _has_a_lane() -> bool:
    """Say whether one of the site's applications is a lane, or has one inside other middleware."""
    wsgi = settings.WSGI_APPLICATION or ""
    # A setting of Daphne and Channels. Django itself has none, but `startproject` names the module.
    asgi = getattr(settings, "ASGI_APPLICATION", None) or wsgi.replace(".wsgi.", ".asgi.")
    for path in {wsgi, asgi} - {""}:
        # The server reports a module that cannot be imported.
        with contextlib.suppress(Exception):
            if _holds_a_lane(import_string(path)):
                return True
    return False


MAX_OBJECTS = 2_000
"""The most objects around a lane that the checks look at."""


def _holds_a_lane(application: Any) -> bool:
    """Look at the objects that the application refers to, the nearest first. None of their code runs."""
    found, seen = [application], {id(application)}
    for one in found:
        if issubclass(type(one), FastLane | AsyncFastLane):
            return True
        for part in _inside(one):
            if id(part) not in seen and len(found) < MAX_OBJECTS:
                seen.add(id(part))
                found.append(part)
    return False


def _inside(one: Any) -> list[Any]:
    """Return what an object may call: its attributes, also in `__slots__`, and the elements of a list."""
    if type(one) is FunctionType:
        # Of the globals only those that it names: all of them would be the whole program.
        named = [one.__globals__.get(name) for name in one.__code__.co_names]
        parts = [one.__closure__, one.__dict__, *named]
    else:
        parts = gc.get_referents(one)
    return [part for part in parts if not issubclass(type(part), type | ModuleType | str)]


@register()
def check_pinning(**kwargs: Any) -> list[CheckMessage]:
    """Warn if `PIN_WORKERS` is on, but the system does not support it."""
    values, _ = parsed()
    if not values.get("pin_workers") or pinning.can_pin():
        return []
    return [
        checks.Warning(
            "PIN_WORKERS has no effect on this system: it needs Linux.",
            hint=f'Write: {conf.NAME} = {{"PIN_WORKERS": sys.platform == "linux"}}',
            id="jay_sessions.W107",
        )
    ]
