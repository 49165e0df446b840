"""Where a POST and a GET of ours spend their time, in one thread: `python -m bench.layers`.

DATABASE_URL names a PostgreSQL server, on which a database is made and dropped in the end. A timer that runs
with the processor time of this process looks at what is being executed. That counts to the layer of the
innermost frame that is of Django, DRF, psycopg or ours, so the standard library counts to whoever calls it.
"""

import argparse
import dataclasses
import io
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import psycopg

DATABASE = "jay_bench_layers"
INTERVAL = 0.001
PATH = "/playouts/netflix-de:0001/tracking/session"
COOKIE, HEADER = "__Secure-jay_tracking", "X-JAY-TRACKING"
WARM = 200

HANDLER = "Django: handler, middleware, request, response"
# The longest name that a module's begins with decides.
LAYERS = {
    "django": "Django, the rest",
    "django.core.handlers": HANDLER,
    "django.middleware": HANDLER,
    "django.utils.deprecation": HANDLER,
    "django.dispatch": HANDLER,
    "django.http": HANDLER,
    "django.urls": "Django: URL resolver",
    "django.db": "Django: ORM and database layer",
    "rest_framework": "DRF",
    "psycopg": "psycopg",
    "psycopg_binary": "psycopg",
    "jay_sessions": "ours: core",
    "jay_sessions.api": "ours: API",
    "jay_sessions.lane.wsgi": "ours: lane",
}
ELSEWHERE = "elsewhere"

Application = Callable[[dict[str, Any], Callable[..., Any]], Any]


@dataclasses.dataclass(slots=True)
class Spent:
    """Microseconds a request: those of the processor by layer, and those of waiting."""

    layers: dict[str, float]
    waiting: float


def layer_of(frame: FrameType | None) -> str:
    """Return the layer that a frame counts to."""
    while frame is not None:
        name: str = frame.f_globals.get("__name__", "")
        while name:
            if name in LAYERS:
                return LAYERS[name]
            name = name.rpartition(".")[0]
        frame = frame.f_back
    return ELSEWHERE


def spent(call: Callable[[], object], count: int) -> Spent:
    """Call it so often, once warm, and return what a call costs."""
    for _ in range(WARM):
        call()
    seen: Counter[str] = Counter()
    signal.signal(signal.SIGPROF, lambda _, frame: seen.update([layer_of(frame)]))
    clock, processor = time.perf_counter(), time.process_time()
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    try:
        for _ in range(count):
            call()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    processor, clock = time.process_time() - processor, time.perf_counter() - clock
    each = processor / count * 1e6
    layers = {layer: share / seen.total() * each for layer, share in seen.items()}
    return Spent(layers, max(0.0, clock - processor) / count * 1e6)


def environ_of(method: str, key: str, query: str = "", cookie: str = "") -> dict[str, Any]:
    """Return the environ of a request as a web server would have it."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": PATH,
        "RAW_URI": f"{PATH}?{query}",
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_X_API_KEY": key,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if cookie:
        environ["HTTP_COOKIE"] = cookie
    return environ


def request(application: Application, method: str, key: str, query: str = "", cookie: str = "") -> str:
    """Send one request as a web server would; returns the token. RuntimeError: it is not answered by 200."""
    answered: list[Any] = []
    environ = environ_of(method, key, query, cookie)
    body = application(environ, lambda status, headers, *_: answered.extend((status, headers)))
    try:
        content = b"".join(body)
    finally:
        getattr(body, "close", lambda: None)()
    status, headers = answered
    if not status.startswith("200"):
        raise RuntimeError(f"{method}: {status} {content!r}")
    return dict(headers).get(HEADER, "")


def applications() -> Iterator[tuple[str, Application]]:
    """Give the views behind Django alone and, where the example site has more before them, that too."""
    from django.core.handlers.wsgi import WSGIHandler
    from django.core.wsgi import get_wsgi_application

    yield "views", get_wsgi_application()
    from project.wsgi import application

    if not isinstance(application, WSGIHandler):
        yield "lane", application


def measured(count: int) -> dict[str, Spent]:
    """Return what is spent, by what is asked for."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.tracking.settings")
    os.environ.setdefault("SECRET_KEY", "bench")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    said = io.StringIO()
    call_command("jay_create_api_key", "bench", stdout=said)
    key, found = said.getvalue().strip(), {}
    for name, application in applications():
        cookie = f"{COOKIE}={request(application, 'POST', key)}"
        post = partial(request, application, "POST", key, "user_id=user-000001")
        get = partial(request, application, "GET", key, cookie=cookie)
        found[f"{name}, POST"], found[f"{name}, GET"] = spent(post, count), spent(get, count)
    return found


@contextmanager
def database(url: str) -> Iterator[None]:
    """Make a database, name it in DATABASE_URL, and drop it when the block ends."""
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        server.execute(f"CREATE DATABASE {DATABASE}")
        os.environ["DATABASE_URL"] = urlsplit(url)._replace(path=f"/{DATABASE}").geturl()
        try:
            yield
        finally:
            server.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def tell(found: dict[str, Spent]) -> None:
    """Print the figures as Markdown, in microseconds a request."""
    print(f"| µs a request | {' | '.join(found)} |\n| --- |{' ---: |' * len(found)}")
    for layer in dict.fromkeys([*LAYERS.values(), ELSEWHERE]):
        values = [one.layers.get(layer, 0) for one in found.values()]
        if any(values):
            print(f"| {layer} | {' | '.join(f'{value:,.0f}' for value in values)} |")
    totals = [sum(one.layers.values()) for one in found.values()]
    print(f"| all of the processor | {' | '.join(f'{total:,.0f}' for total in totals)} |")
    print(f"| waiting | {' | '.join(f'{one.waiting:,.0f}' for one in found.values())} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000, help="requests of each kind; default: 5000")
    count = parser.parse_args().count
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        parser.error("set DATABASE_URL to a PostgreSQL server on which databases may be created")
    with database(url):
        found = measured(count)
    tell(found)


if __name__ == "__main__":
    main()
