"""The web servers, each as its own documentation starts it with a Django site."""

import contextlib
import dataclasses
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from .processes import NotRight, background


@dataclasses.dataclass(frozen=True)
class Server:
    """A server: its package, its command, and whether it is asked over HTTP/2 too.

    `keeps_names` is whether a header's name with underscores is not taken for the one with hyphens. Where it
    is, the app cannot tell them apart: docs/operations.md says what to do.
    """

    package: str
    command: tuple[str, ...]
    http2: bool = False
    keeps_names: bool = True


WSGI, ASGI = "mysite.wsgi:application", "mysite.asgi:application"
BIND, PORT = "127.0.0.1:{port}", "{port}"
GUNICORN = ("gunicorn", "--bind", BIND, "--workers", "2", WSGI)
GRANIAN = (
    "granian",
    "--host",
    "127.0.0.1",
    "--port",
    PORT,
    "--workers",
    "2",
    "--backpressure",
    "16384",
    "--http",
    "auto",
)
UWSGI = (
    "uwsgi", "--http11-socket", BIND, "--master", "--processes", "2", "--threads", "4", "--need-app",
    "--die-on-term", "--module", WSGI,
)  # fmt: skip

SERVERS = {
    "runserver": Server("django", ("python", "manage.py", "runserver", "--noreload", PORT)),
    "gunicorn sync": Server("gunicorn", GUNICORN),
    "gunicorn gthread": Server("gunicorn", (*GUNICORN, "--threads", "4")),
    "gunicorn gevent": Server("gunicorn", (*GUNICORN, "--worker-class", "gevent")),
    "uvicorn": Server("uvicorn", ("uvicorn", "--port", PORT, "--workers", "2", ASGI)),
    "daphne": Server("daphne", ("daphne", "-b", "127.0.0.1", "-p", PORT, ASGI)),
    "hypercorn": Server("hypercorn", ("hypercorn", "--bind", BIND, "--workers", "2", ASGI), http2=True),
    "hypercorn wsgi": Server(
        "hypercorn", ("hypercorn", "--bind", BIND, "--workers", "2", f"wsgi:{WSGI}"), keeps_names=False
    ),
    "waitress": Server("waitress", ("waitress-serve", f"--listen={BIND}", WSGI)),
    "uWSGI": Server("uwsgi", UWSGI, keeps_names=False),
    "granian wsgi": Server("granian", (*GRANIAN, "--interface", "wsgi", WSGI), http2=True, keeps_names=False),
    "granian asginl": Server("granian", (*GRANIAN, "--interface", "asginl", ASGI), http2=True),
}


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Say whether somebody listens on the port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextlib.contextmanager
def serving(name: str, bin_: Path, site: Path, log: Path, **variables: str) -> Iterator[int]:
    """Serve the site in the folder `site`, and give the port, until the block ends."""
    port = free_port()
    program, *words = (word.format(port=port) for word in SERVERS[name].command)
    with background([bin_ / program, *words], cwd=site, log=log, **variables) as process:
        deadline = time.monotonic() + 60
        while not listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise NotRight(f"{name} did not start:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.1)
        yield port
