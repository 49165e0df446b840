import contextlib
import http.client
import io
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.utils import timezone

from jay_sessions import sessions
from project import demo
from project.zephr_stand_in import ZephrStandIn

HOST = "127.0.0.1"
PLAYOUT = "netflix-de:the-crown-s01e01"
START_TIMEOUT = 60
STOPPERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Command(BaseCommand):
    help = "Runs the example site with demo data and a stand-in for Zephr, until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port", type=int, default=os.environ.get("PORT", "8000"), help="default: $PORT, or 8000"
        )
        parser.add_argument(
            "--state",
            type=Path,
            default=Path(settings.BASE_DIR) / ".demo",
            metavar="DIRECTORY",
            help="where the demo's credentials are kept (default: .demo)",
        )

    def handle(self, **options: Any) -> None:
        # This also works if the shell made it ignore Ctrl-C, as for a job in the background.
        for number in STOPPERS:
            signal.signal(number, _stop)
        with contextlib.suppress(_Stop):
            self._run(options["port"], options["state"].resolve())
        self.stdout.write("Stopped.")

    def _run(self, port: int, state: Path) -> None:
        if connection.vendor != "sqlite":
            raise CommandError("The demo fills its database with demo data: unset DATABASE_URL.")
        _require_free(port)
        call_command("migrate", verbosity=0)
        credentials = demo.prepare(state / "credentials.json")
        count = demo.fill(timezone.now())
        self.stdout.write(
            f"{count} demo sessions stored." if count else "The sessions of earlier runs are kept."
        )
        with _zephr() as zephr_id, _site(port) as process:
            _enrich()
            call_command("jay_rollup_sessions", stdout=io.StringIO())
            self._explain(f"http://{HOST}:{port}", credentials, zephr_id, str(state / "cookies.txt"))
            process.wait()
            raise CommandError("The site has stopped.")

    def _explain(self, url: str, credentials: demo.Credentials, zephr_id: str, jar: str) -> None:
        session = f"{url}/playouts/{PLAYOUT}/tracking/session"
        statistics = f"{url}/playouts/{PLAYOUT}/tracking/statistics"
        analytics = ["-H", f"X-API-Key: {credentials.analytics_key}"]
        tracking = ["-H", f"X-API-Key: {credentials.tracking_key}"]
        token = sessions.start(PLAYOUT, "demo-user").encoded
        lines = [
            (
                "Create a session; the cookie goes into a file:",
                ["-i", "-X", "POST", "-c", jar, *tracking, f"{session}?user_id=user-1"],
            ),
            ("Read it, by the cookie:", ["-b", jar, *tracking, session]),
            ("Read another one, by the header:", [*tracking, "-H", f"X-JAY-TRACKING: {token}", session]),
            (
                "End the first one (reading it again then answers 400):",
                ["-i", "-X", "DELETE", "-b", jar, *tracking, session],
            ),
            ("List the newest sessions:", [*analytics, f"{session}s?limit=3"]),
            ("Count sessions and users by day:", [*analytics, f"{statistics}?tz=Europe/Berlin"]),
            (
                "Read a Zephr session through the proxy:",
                ["-H", f"X-API-Key: {credentials.zephr_key}", f"{url}/v3/sessions/{zephr_id}"],
            ),
        ]
        self.stdout.write(
            f"\nThe site:   {url}/\n"
            f"The admin:  {url}/admin/  as {demo.OPERATOR}, password {credentials.password}\n"
            f"Dashboard:  {url}/admin/jay_sessions/trackingsession/dashboard/\n"
            f"A player:   {url}/player/  with the key {credentials.tracking_key}\n\n"
        )
        for title, arguments in lines:
            self.stdout.write(f"# {title}")
            self.stdout.write(shlex.join(["curl", "-sS", *arguments]) + "\n")
        self.stdout.write("\nCtrl-C stops everything.")
        self.stdout.flush()


class _Stop(BaseException):
    """A signal asks the demo to end."""


def _stop(*_: Any) -> None:
    # Further signals are ignored: make sends again what the terminal has already sent.
    for number in STOPPERS:
        signal.signal(number, signal.SIG_IGN)
    raise _Stop


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} cannot be used ({error.strerror}): try PORT={port + 1}."
            ) from error


@contextlib.contextmanager
def _zephr() -> Iterator[str]:
    """Run the stand-in and point the site to it; yield the id of a session that it knows."""
    access_key, secret_key = "demo", secrets.token_urlsafe(32)
    with ZephrStandIn(access_key, secret_key) as zephr:
        os.environ["ZEPHR_BASE_URL"] = zephr.base_url
        os.environ["ZEPHR_ACCESS_KEY"] = access_key
        os.environ["ZEPHR_SECRET_KEY"] = secret_key
        os.environ["ZEPHR_LINK_SESSIONS"] = "1"
        yield next(iter(zephr.sessions))


def _enrich() -> None:
    """Fetch the stand-in's data about the demo sessions, in a process that is pointed to it."""
    command = [sys.executable, "manage.py", "jay_enrich_sessions", "--rate", "100"]
    quiet = {**os.environ, "LOG_LEVEL": "WARNING"}
    subprocess.run(command, cwd=settings.BASE_DIR, env=quiet, check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def _site(port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the example site under Granian, as in production; yield its process once it answers."""
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", HOST, "--port", str(port)]
    command += [
        "--workers",
        "2",
        "--blocking-threads",
        "4",
        # The default is 512 for each of two workers, and idle connections count.
        "--backpressure",
        "16384",
        # A worker may miss the signal to stop; without this option, Granian would wait for ever.
        "--workers-kill-timeout",
        "3",
        "--log-level",
        "warning",
        "project.wsgi:application",
    ]
    process = subprocess.Popen(command, cwd=settings.BASE_DIR)
    try:
        _wait_for(process, port)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        try:
            connection.request("GET", "/")
            connection.getresponse()
        except OSError:
            time.sleep(0.1)
        else:
            return
        finally:
            connection.close()
    raise CommandError("The site did not start. See its messages above.")
