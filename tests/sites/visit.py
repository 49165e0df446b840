"""What the steps of a drive share: the site, who asks it, and what was started on it so far."""

import contextlib
import dataclasses
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .client import Answer, Client
from .declared import Site
from .environments import Environment
from .processes import Done, NotRight
from .themes import THEMES
from .variations import VARIATIONS
from .visitor import Visitor

PLAYOUT = "netflix-de:s01e01"
USER = "user-1"
COOKIE = "__Secure-jay_tracking"
ZEPHR_SESSION = "26a73b7a-f7d0-48d8-85dd-a04b07313895"
"""One that the stand-in for Zephr knows."""
ADMIN = {"DJANGO_SUPERUSER_USERNAME": "operator", "DJANGO_SUPERUSER_PASSWORD": "not-a-secret-1"}


@dataclasses.dataclass
class Visit:
    """A drive through one site: `started` counts the sessions, `key` may do all; `port` 0 is no server."""

    site: Site
    environment: Environment
    client: Client
    room: Path
    port: int = 0
    key: str = ""
    started: int = 0
    token: str = ""
    session: dict[str, Any] = dataclasses.field(default_factory=dict)
    visitor: Visitor = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.use(self.client)

    def use(self, client: Client, port: int = 0) -> None:
        """Ask the site by this client from now on."""
        self.client, self.port = client, port
        self.visitor = Visitor(client, self.script_name)

    @property
    def api(self) -> str:
        """The path of the playout's endpoints, as a server behind the site's proxy sees it."""
        return f"{self._variation('prefix')}/playouts/{quote(PLAYOUT, safe='')}/tracking"

    @property
    def zephr_path(self) -> str:
        """The path of a Zephr session."""
        return f"{self._variation('prefix')}/v3/sessions/{ZEPHR_SESSION}"

    @property
    def script_name(self) -> str:
        """What a proxy takes off each path before the site sees it."""
        return self._variation("script_name")

    @property
    def admin(self) -> str:
        """Where the admin's index is, for a browser."""
        return self.script_name + THEMES[self.site.admin].path

    @property
    def has_zephr(self) -> bool:
        """Whether the site has Zephr configured."""
        return "without Zephr" not in self.site.variations

    def _variation(self, field: str) -> str:
        return "".join(getattr(VARIATIONS[name], field) for name in self.site.variations)

    def ask(
        self,
        method: str,
        path: str,
        *headers: tuple[str, str],
        body: bytes | None = None,
        key: str | None = None,
    ) -> Answer:
        """Send a request with the key that may do all, or another one."""
        sent = [("Host", "127.0.0.1"), ("X-API-Key", self.key if key is None else key), *headers]
        answer = self.client.request(method, path, sent, body)
        if method == "POST" and answer.status == 200:
            self.started += 1
        return answer

    def start(self, query: str = "", *headers: tuple[str, str], body: bytes | None = None) -> Answer:
        """Start a session. Raises NotRight where that fails."""
        return status(self.ask("POST", f"{self.api}/session{query}", *headers, body=body), 200)

    def manage(self, *words: str, **variables: str) -> Done:
        """Run a command of the site to its end. Raises NotRight where it fails."""
        return self.client.manage(*words, **variables).right()


def need(holds: object, what: str, seen: object) -> None:
    """Raise NotRight with what should be so, and what was seen instead, unless it holds."""
    if not holds:
        raise NotRight(f"Not so: {what}\n{seen}")


def status(answer: Answer, *expected: int) -> Answer:
    """Return an answer that has one of these statuses. Raises NotRight else."""
    need(answer.status in expected, f"the status is {' or '.join(map(str, expected))}", answer)
    return answer


def said(answer: Answer) -> Any:
    """Return the message of DELETE's answer."""
    return answer.json()["data"]["message"]


def details(answer: Answer) -> Any:
    """Return the `details` of an error."""
    with contextlib.suppress(AttributeError):
        return answer.json().get("error", {}).get("details")
    return None
