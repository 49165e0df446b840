"""What the durability tests need: variants of the site, and load.

A killed process leaves to the kernel what it has written, so no test here can tell whether it reached the
disk. That takes a loss of power; the tests only make sure that PostgreSQL was told to wait for the disk.
"""

import collections
import contextlib
import dataclasses
import json
import secrets
import sqlite3
import threading
import uuid
from typing import Any
from urllib.parse import urlsplit

import psycopg

from . import servers, site_process
from .clients import HUNG, Clients, Connection
from .servers import PATH, PATIENCE

COMMANDS = {**servers.COMMANDS, "preloading": [*servers.COMMANDS["gunicorn"], "--preload"]}


@dataclasses.dataclass(frozen=True)
class Variant:
    """How the site differs from the example.

    In the settings of its database, in a receiver that raises, in its recorder, in its server, in the length
    of its partitions.
    """

    database: dict[str, Any] = dataclasses.field(default_factory=dict)
    receiver_raises: bool = False
    recorder: str = "direct"
    server: str = "granian"
    partitions: str = ""

    def environment(self) -> dict[str, str]:
        if self == Variant():
            return {}
        return {
            "DJANGO_SETTINGS_MODULE": "tests.support.durability_settings",
            "DURABILITY_DATABASE": json.dumps(self.database),
            "DURABILITY_RECEIVER": "raises" if self.receiver_raises else "",
            "JAY_RECORDER": self.recorder,
            "JAY_PARTITIONS": self.partitions,
        }

    def partition(self, database_url: str, *options: str) -> str:
        """Partition the tables of the site's database; return what the command says."""
        environment = {**servers.example_site(database_url), **self.environment()}
        return servers.manage(environment, "jay_partition_sessions", *options)


def site(
    database_url: str, key: str, variant: Variant | None = None
) -> contextlib.AbstractContextManager[site_process.Site]:
    """Serve the site; when the block ends nothing of it is left, however it ends."""
    variant = variant or Variant()
    server = servers.Server(servers.free_port(), key, database_url)
    return site_process.serving(server, COMMANDS[variant.server], variant.environment())


@dataclasses.dataclass(frozen=True, slots=True)
class Attempt:
    """A POST and what became of it.

    `acknowledged` by a 200, `refused` in the contract's way, `cut off` without a whole answer, or
    `unreached` because nobody listened; every other answer is `wrong`.
    """

    user_id: str
    kind: str
    sent: float
    answered: float
    session_id: uuid.UUID | None = None
    answer: str = ""


class Load(Clients):
    """Clients that POST over connections they keep, each again as soon as it is answered.

    Each POST names a user of its own, so that a row can be told from every other.
    """

    def __init__(self, server: servers.Server, clients: int = 8) -> None:
        super().__init__(server, grace=PATIENCE, most=float("inf"), within=30.0)
        self.attempts: list[Attempt] = []
        self.counts: collections.Counter[str] = collections.Counter()
        self.name = secrets.token_hex(4)
        self._came = threading.Condition(self.lock)
        for number in range(clients):
            self.add(self._client, f"{self.name}-{number}")

    def wait_for(self, kind: str, more: int) -> None:
        """Return once `more` further attempts have ended like this."""
        with self._came:
            goal = self.counts[kind] + more
            came = self._came.wait_for(
                lambda: self.counts[kind] >= goal or self.counts["wrong"], timeout=PATIENCE
            )
            assert not self.counts["wrong"], self.of("wrong")[0]
            assert came, f"Not {goal} {kind} so far: {dict(self.counts)}"

    def of(self, kind: str) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.kind == kind]

    def _client(self, connection: Connection, name: str) -> None:
        number = 0
        while not self.ended.is_set():
            number += 1
            attempt = _post(connection, f"{name}-{number}")
            with self._came:
                self.attempts.append(attempt)
                self.counts[attempt.kind] += 1
                self._came.notify_all()
            if attempt.kind in ("unreached", "cut off"):
                # Leave the processor to the site that is starting.
                self.ended.wait(0.05)


def _post(connection: Connection, user_id: str) -> Attempt:
    reply = connection.ask("POST", f"{PATH}?user_id={user_id}")

    def ended(kind: str, **fields: Any) -> Attempt:
        return Attempt(user_id, kind, reply.sent, reply.answered, **fields)

    if reply.error:
        return ended("cut off" if reply.error == HUNG else reply.error, answer=reply.error)
    if reply.refusal():
        return ended("refused")
    with contextlib.suppress(KeyError, TypeError, ValueError):
        if reply.status == 200 and reply.said["data"]["userId"] == user_id:
            return ended("acknowledged", session_id=uuid.UUID(reply.said["data"]["sessionId"]))
    return ended("wrong", answer=f"{reply.status} {reply.said!r} {reply.headers.items()}")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What clients were told, beside what is stored."""

    acknowledged: int
    refused: int
    cut_off: int
    unreached: int
    wrong: list[str]
    lost: int
    duplicates: int
    unacknowledged: int
    """Rows whose client was not told of them: the answer got lost after the commit."""

    def __str__(self) -> str:
        return (
            f"{self.acknowledged} acknowledged, {self.refused} refused, {self.cut_off} cut off, "
            f"{self.lost} lost, {self.duplicates} duplicates, "
            f"{self.unacknowledged} stored without an acknowledgement"
        )


def outcome(load: Load) -> Outcome:
    """Compare what the clients of an ended load were told with the rows of the site's database."""
    acknowledged = load.of("acknowledged")
    stored = {row for row in _rows(load.server.database_url) if row[1].startswith(load.name)}
    users = collections.Counter(user_id for _, user_id in stored)
    ids = collections.Counter(attempt.session_id for attempt in acknowledged)
    told = {attempt.user_id for attempt in acknowledged}
    return Outcome(
        acknowledged=len(acknowledged),
        refused=load.counts["refused"],
        cut_off=load.counts["cut off"],
        unreached=load.counts["unreached"],
        wrong=[attempt.answer for attempt in load.of("wrong")],
        lost=sum((attempt.session_id, attempt.user_id) not in stored for attempt in acknowledged),
        duplicates=sum(users.values()) - len(users) + sum(ids.values()) - len(ids),
        unacknowledged=len(set(users) - told),
    )


def _rows(database_url: str) -> set[tuple[uuid.UUID, str]]:
    is_file = database_url.startswith("sqlite")
    connection: Any = (
        sqlite3.connect(urlsplit(database_url).path) if is_file else psycopg.connect(database_url)
    )
    with contextlib.closing(connection):
        found = connection.execute("SELECT session_id, user_id FROM jay_tracking_session").fetchall()
    return {(uuid.UUID(str(session_id)), user_id) for session_id, user_id in found}
