"""Who is measured: how a server starts, on what tables, and what it takes part in."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from . import plain
from .environment import ROOT

POST, GET = "POST", "GET"
BASELINES = ("fastapi_asyncpg", "fastapi_tuned")
LIMITS = ("bare_wsgi", "pgbench")
OUR_SETUP, PLAIN_SETUP = "bench.tracking.setup", "bench.tracking.plain"
BEFORE = "_before"
"""What the names of contenders of another working tree end in."""

_GRANIAN = ("granian", "--http", "1", "--no-ws", "--backpressure", "16384")
_WSGI = (*_GRANIAN, "--interface", "wsgi")
_ASGI = (*_GRANIAN, "--interface", "asginl", "--loop", "uvloop")
_UVICORN = ("uvicorn", "--loop", "uvloop", "--http", "httptools", "--no-access-log")
_GUNICORN = ("gunicorn", "--worker-class", "gthread")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """`application` is `module:name`; `setup` a module that makes tables and prints a key, empty for none.

    `threads` is of each worker, for a server that has them; None for what the run was told. `root` is the
    repository that it is imported from; `arguments` are those of the module `setup`.
    """

    name: str
    application: str
    setup: str = ""
    arguments: tuple[str, ...] = ()
    table: str = "tracking_session"
    variables: Mapping[str, str] = dataclasses.field(default_factory=dict)
    server: tuple[str, ...] = _WSGI
    threads: int | None = None
    methods: tuple[str, ...] = (POST, GET)
    root: Path = ROOT

    def command(self, port: int, workers: int, threads: int) -> list[str]:
        """Return the command line behind `python -m`; `threads` is what each worker of ours has."""
        server, common = self.server[0], ["--workers", str(workers), "--log-level", "warning"]
        if server == "gunicorn":
            common += ["--bind", f"127.0.0.1:{port}", "--threads", str(self.threads or threads)]
        else:
            common += ["--host", "127.0.0.1", "--port", str(port)]
        if self.server == _WSGI:
            common += ["--blocking-threads", str(self.threads or threads)]
        return [*self.server, *common, self.application]

    def before(self, root: Path) -> "Contender":
        """Return the same of another working tree."""
        return dataclasses.replace(self, name=self.name + BEFORE, root=root)


def _fastapi(name: str, **variables: str) -> Contender:
    package = "bench.tracking.peers.fastapi_asyncpg"
    return Contender(
        name=name,
        application=f"{package}.app:app",
        setup=f"{package}.setup",
        variables=variables,
        server=_UVICORN,
    )


def _ours(
    name: str,
    application: str,
    methods: tuple[str, ...] = (POST, GET),
    threads: int | None = None,
    **variables: str,
) -> Contender:
    settings = "project.settings" if application.startswith("project.") else "bench.tracking.settings"
    return Contender(
        name=name,
        application=application,
        setup=OUR_SETUP,
        table="jay_tracking_session",
        variables={
            "DJANGO_SETTINGS_MODULE": settings,
            "SECRET_KEY": "bench",
            "JAY_PIN_WORKERS": "1",
            **variables,
        },
        methods=methods,
        server=_ASGI if "asgi" in application else _WSGI,
        threads=threads,
    )


def _plain(name: str, *lane: str) -> Contender:
    place = str(plain.folder(name))
    server = (*_UVICORN, "--app-dir", place) if "asgi" in lane else (*_GUNICORN, "--chdir", place)
    return Contender(
        name=name,
        application=f"mysite.{'asgi' if 'asgi' in lane else 'wsgi'}:application",
        setup=PLAIN_SETUP,
        arguments=(name, *lane),
        table="jay_tracking_session",
        variables={"DJANGO_SETTINGS_MODULE": "mysite.settings"},
        server=server,
        threads=8,
    )


_VIEWS, _LANE = "bench.tracking.wsgi:application", "project.wsgi:application"
_ASYNC_LANE = "project.asgi:application"
_PROPAGATION = {"JAY_END_PROPAGATION": "5", "JAY_SESSION_LIFETIME": "2592000"}
_DRF = "bench.tracking.peers.drf_plain"

CONTENDERS = {
    one.name: one
    for one in (
        _fastapi("fastapi_asyncpg"),
        _fastapi("fastapi_tuned", KEY_CACHE_SECONDS="30"),
        # More threads only wait for the same interpreter.
        Contender(name="drf_plain", application=f"{_DRF}.wsgi:application", setup=f"{_DRF}.setup", threads=4),
        _plain("plain"),
        _plain("plain_lane", "wsgi"),
        _plain("plain_async_lane", "asgi"),
        _ours("views_direct", _VIEWS, threads=8, JAY_RECORDER="direct"),
        _ours("views", _VIEWS, threads=16, JAY_RECORDER="group"),
        _ours("lane", _LANE, JAY_RECORDER="group"),
        _ours(
            "lane_propagation",
            _LANE,
            (GET,),
            # Nothing to wait for, and so no use for more.
            threads=4,
            JAY_RECORDER="group",
            **_PROPAGATION,
        ),
        _ours("lane_any_core", _LANE, JAY_RECORDER="group", JAY_PIN_WORKERS="0"),
        _ours("async_lane", _ASYNC_LANE, JAY_RECORDER="group"),
        _ours("async_lane_any_core", _ASYNC_LANE, JAY_RECORDER="group", JAY_PIN_WORKERS="0"),
        _ours("async_lane_propagation", _ASYNC_LANE, (GET,), JAY_RECORDER="group", **_PROPAGATION),
        Contender(
            name="bare_wsgi", application="bench.tracking.peers.bare_wsgi:application", table="", threads=1
        ),
        # Not a server: what the database commits by itself.
        Contender(
            name="pgbench",
            application="",
            setup="bench.tracking.peers.fastapi_asyncpg.setup",
            methods=(POST,),
        ),
    )
}
