"""The ways in which a site can be run that an outage may meet."""

import dataclasses
import itertools
import json

from ..support import servers

LIFETIME = 86_400
"""Seconds for which a session is valid."""

SERVERS = ("gunicorn", "granian", "granian, ASGI", "uvicorn")
ASGI = SERVERS[2:]

COMMANDS = {
    **{
        name: [word.replace("project.", "tests.outages.") for word in command]
        for name, command in servers.COMMANDS.items()
    },
    "uvicorn": [
        "uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--workers", "2", "--log-level", "warning",
        "tests.outages.asgi:application",
    ],
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Variant:
    """A web server, and how the site under it is set up.

    `plain` is a site as `startproject` and Django's documentation make it, without anything that the example
    site adds. `conn_max_age` is in seconds, None for ever; `end_propagation` in seconds.
    """

    server: str = "gunicorn"
    recorder: str = "direct"
    lane: bool = True
    end_propagation: int = 0
    conn_max_age: int | None = 60
    plain: bool = False
    pool: int = 0
    """The size of psycopg's pool; 0 for none."""
    partitions: str = ""
    """The setting `PARTITIONS`; the tables are plain without it."""
    more: tuple[tuple[str, str], ...] = ()
    """More environment variables, such as `REDIS_URL`."""

    @property
    def is_async(self) -> bool:
        """Whether it is served over ASGI."""
        return self.server in ASGI

    def command(self) -> list[str]:
        """Return the module that Python runs as the web server, and its words."""
        return COMMANDS[self.server]

    def environment(self) -> dict[str, str]:
        """Return what the site is told by its environment."""
        app: dict[str, object] = {"RECORDER": self.recorder, "SESSION_LIFETIME": LIFETIME}
        app["END_PROPAGATION"] = self.end_propagation
        app["PARTITIONS"] = self.partitions or None
        return {
            "DJANGO_SETTINGS_MODULE": f"tests.outages.{'plain' if self.plain else 'example'}_settings",
            "OUTAGE_SITE": json.dumps(
                {"app": app, "conn_max_age": self.conn_max_age, "lane": self.lane, "pool": self.pool}
            ),
            "LOG_LEVEL": "ERROR",
            **dict(self.more),
        }

    def __str__(self) -> str:
        parts = [self.server, "lane" if self.lane else "views", self.recorder]
        if self.end_propagation:
            parts.append(f"ends {self.end_propagation} s")
        if self.conn_max_age != 60:
            parts.append(f"age {self.conn_max_age}")
        if self.pool:
            parts.append(f"pool of {self.pool}")
        if self.partitions:
            parts.append(f"partitions by {self.partitions}")
        return "; ".join([*parts, "plain site"] if self.plain else parts)


def with_more(variant: Variant, **variables: str) -> Variant:
    """Return the variant with more environment variables."""
    return dataclasses.replace(variant, more=(*variant.more, *variables.items()))


GUNICORN_DIRECT = Variant()
GUNICORN_GROUP = Variant(recorder="group")
GRANIAN_DIRECT = Variant(server="granian")
GRANIAN_GROUP = Variant(server="granian", recorder="group", end_propagation=5)
ASGI_DIRECT = Variant(server="granian, ASGI")
ASGI_GROUP = Variant(server="granian, ASGI", recorder="group", end_propagation=5)
UVICORN_DIRECT = Variant(server="uvicorn")
UVICORN_GROUP = Variant(server="uvicorn", recorder="group")
PLAIN_DIRECT = Variant(lane=False, conn_max_age=None, plain=True)
PLAIN_ASGI_GROUP = Variant(server="granian, ASGI", recorder="group", conn_max_age=0, plain=True)
PARTITIONED = dataclasses.replace(PLAIN_ASGI_GROUP, partitions="month")


def all_variants() -> list[Variant]:
    """Return each server, lane and recorder with each `END_PROPAGATION`; the sites take turns among them."""
    sites = itertools.cycle([(60, False), (0, True), (None, False), (60, True), (None, True)])
    return [
        Variant(server, recorder, lane, propagation, conn_max_age, plain)
        for (server, recorder, lane, propagation), (conn_max_age, plain) in zip(
            itertools.product(SERVERS, ("direct", "group"), (True, False), (0, 5)), sites, strict=False
        )
    ]
