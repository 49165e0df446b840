"""What a plain site is used for: the program that `plain_site.use` runs.

Clients at the same time start sessions, read them, end each second one, and list and count them; then come
commands. It prints how often which status came, and what is stored in the end. Options:
`app` (`wsgi`, `wsgi lane`, `asgi`, `asgi lane`), `clients`, `each` (sessions of a client), `migrated` (the
aliases to migrate; all unless given), `sql` (statements to run after that).
"""

import asyncio
import collections
import io
import json
import os
import sys
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections

GIVEN = json.loads(os.environ["PLAIN_SITE"])
PLAYOUT = "/playouts/netflix-de:s01e01/tracking/"

Answer = tuple[int, dict[str, str], bytes]
Client = Generator[tuple[str, str, dict[str, str]], Answer, None]
"""It gives methods, paths and headers, and is sent the answers."""


class Wsgi:
    """The site's WSGI application; its clients are threads."""

    def __init__(self, with_lane: bool) -> None:
        from django.core.wsgi import get_wsgi_application

        from jay_sessions.lane.wsgi import FastLane

        application = get_wsgi_application()
        self._application = FastLane(application) if with_lane else application

    def _call(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        from django.test import RequestFactory

        begun: list[Any] = []
        environ = RequestFactory(headers=headers).generic(method, path).environ
        body = self._application(environ, lambda *args: begun.extend(args))
        data = b"".join(body)
        getattr(body, "close", lambda: None)()
        return int(begun[0][:3]), {name.lower(): value for name, value in begun[1]}, data

    def _serve_one(self, client: Client) -> None:
        try:
            request = next(client)
            while True:
                request = client.send(self._call(*request))
        except StopIteration:
            pass

    def serve(self, clients: list[Client]) -> None:
        """Let the clients use the site at the same time; one alone uses it in this thread."""
        threads = [threading.Thread(target=self._serve_one, args=(client,)) for client in clients[1:]]
        for thread in threads:
            thread.start()
        self._serve_one(clients[0])
        for thread in threads:
            thread.join()


class Asgi:
    """The site's ASGI application; its clients are tasks."""

    def __init__(self, with_lane: bool) -> None:
        from django.core.asgi import get_asgi_application

        from jay_sessions.lane.asgi import AsyncFastLane

        application = get_asgi_application()
        self._application = AsyncFastLane(application) if with_lane else application

    async def _call(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        parts = urlsplit(path)
        sent = {"host": "testserver", **headers}
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http",
            "method": method, "path": parts.path, "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(), "client": ["127.0.0.1", 1], "server": ["testserver", 80],
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        }  # fmt: skip
        communicator = ApplicationCommunicator(self._application, scope)
        await communicator.send_input({"type": "http.request", "body": b""})
        start = await communicator.receive_output(60)
        body = await communicator.receive_output(60)
        await communicator.wait(60)
        answered = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return start["status"], answered, body.get("body", b"")

    async def _serve_one(self, client: Client) -> None:
        try:
            request = next(client)
            while True:
                request = client.send(await self._call(*request))
        except StopIteration:
            pass

    def serve(self, clients: list[Client]) -> None:
        """Let the clients use the site at the same time, in one event loop."""

        async def all_of_them() -> None:
            await asyncio.gather(*map(self._serve_one, clients))

        asyncio.run(all_of_them())


class Use:
    """All that the site is asked, and what it answers."""

    def __init__(self, key: str) -> None:
        self._key = {"X-API-Key": key}
        # A list, as several threads add to it at the same time.
        self._statuses: list[tuple[str, int]] = []
        self.errors: set[str] = set()

    def _sent(self, name: str, method: str, path: str, **headers: str) -> Generator[Any, Answer, str]:
        status, answered, body = yield method, PLAYOUT + path, {**self._key, **headers}
        self._statuses.append((name, status))
        if status >= 400:
            self.errors.add(json.loads(body)["error"]["details"])
        return answered.get("x-jay-tracking", "")

    def answers(self) -> dict[str, dict[int, int]]:
        """How often each kind of request had which status."""
        counts: dict[str, dict[int, int]] = {}
        for (name, status), count in collections.Counter(self._statuses).items():
            counts.setdefault(name, {})[status] = count
        return counts

    def client(self, number: int) -> Client:
        """Start some sessions, and do with each what can be done with it."""
        for step in range(GIVEN.get("each", 3)):
            token = yield from self._sent("POST", "POST", f"session?user_id={number}-{step}")
            held = {"X-JAY-TRACKING": token}
            yield from self._sent("GET", "GET", "session", **held)
            if step % 2:
                yield from self._sent("DELETE", "DELETE", "session", **held)
                yield from self._sent("GET of an ended one", "GET", "session", **held)
        yield from self._sent("sessions", "GET", "sessions")
        yield from self._sent("statistics", "GET", "statistics?tz=Asia/Kolkata")


def migrate() -> None:
    for alias in GIVEN.get("migrated", settings.DATABASES):
        call_command("migrate", database=alias, run_syncdb=True, verbosity=0)
    for statement in GIVEN.get("sql", []):
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute(statement)


def issued_key() -> str:
    from jay_sessions.core import key_text
    from jay_sessions.models import ApiKey, Scope

    try:
        return ApiKey.objects.issue("test", scopes=Scope.values)[1]
    except DatabaseError:
        # Without a table for it, it can still have the form of one.
        return key_text.generate()


def run_commands() -> dict[str, str]:
    """Run what a site runs now and then; return what went wrong."""
    problems = {}
    output = str(Path(tempfile.mkdtemp()) / "export")
    for command, words in {
        "jay_rollup_sessions": [],
        "jay_export_sessions": ["--output", output],
        "jay_erase_user": ["0-0"],
        "jay_revoke_api_key": ["test"],
    }.items():
        try:
            call_command(command, *words, stdout=io.StringIO(), stderr=io.StringIO())
        except Exception as error:  # noqa: BLE001 (whatever it is, the test is to hear of it)
            problems[command] = repr(error)
    return problems


def stored() -> list[tuple[str, Any]]:
    from jay_sessions.models import TrackingSession

    try:
        return list(TrackingSession.objects.primary().values_list("user_id", "end__ended_at"))
    except DatabaseError:
        return []


def main() -> None:
    settings.configure(**GIVEN["settings"])
    django.setup()
    migrate()
    kind, _, lane = GIVEN.get("app", "wsgi").partition(" ")
    app = {"wsgi": Wsgi, "asgi": Asgi}[kind](bool(lane))
    use = Use(issued_key())
    app.serve([use.client(number) for number in range(GIVEN.get("clients", 1))])
    rows = stored()
    found = {
        "answers": use.answers(),
        "errors": sorted(use.errors),
        "users": sorted(user or "" for user, _ in rows),
        "ended": sum(ended is not None for _, ended in rows),
        "problems": run_commands(),
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
