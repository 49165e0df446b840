"""The load: prepared requests, sent by wrk over connections that stay open."""

import contextlib
import dataclasses
import json
import re
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import environment
from .contenders import POST
from .contract import COOKIE, HEADER
from .serving import Server

REQUESTS = 4096
PLAYOUTS = 64
ANONYMOUS = 8
"""One in so many has no user."""
CLIENTS = 8
"""Connections over which the tokens are made."""


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """What a load found: answers of all kinds, and the latency of half and of 99 % of them at the most."""

    answers: int
    seconds: float
    not_2xx: int
    socket_errors: int
    p50_ms: float | None
    p99_ms: float | None


def paths() -> list[str]:
    """Return the paths of all requests, with queries for POST."""
    made = []
    for number in range(REQUESTS):
        user = "" if number % ANONYMOUS == ANONYMOUS - 1 else f"?user_id=user-{number:06d}"
        made.append(f"/playouts/netflix-de:{number % PLAYOUTS:04d}/tracking/session{user}")
    return made


def make_tokens(server: Server) -> list[str]:
    """POST each request once; returns the tokens. RuntimeError: one is not answered by 200."""
    everything = paths()
    with ThreadPoolExecutor(CLIENTS) as pool:
        parts = pool.map(lambda mine: _tokens(server, mine), [everything[n::CLIENTS] for n in range(CLIENTS)])
        return [token for part in parts for token in part]


def write(file: Path, method: str, tokens: Sequence[str]) -> None:
    """Write the requests of one method."""
    if method == POST:
        lines = [f"{path}\t" for path in paths()]
    else:
        bare = [path.partition("?")[0] for path in paths()]
        lines = [f"{path}\t{COOKIE}={token}" for path, token in zip(bare, tokens, strict=True)]
    file.write_text("\n".join(lines) + "\n")


def send(server: Server, method: str, file: Path, *, connections: int, seconds: float) -> Found:
    """Send the file's requests for so long. RuntimeError: wrk found nothing to measure, with what it said."""
    variables = {"LOAD_METHOD": method, "LOAD_KEY": server.key, "LOAD_FILE": str(file)}
    return Found(**wrk(server, "load.lua", variables, connections=connections, seconds=seconds))


def wrk(
    server: Server, script: str, variables: dict[str, str], *, connections: int, seconds: float
) -> dict[str, float]:
    """Run wrk with a script beside this module; returns the JSON behind FOUND that the script prints."""
    command = [
        *("wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds:.0f}s"),
        *("--timeout", "10s", "--script", str(Path(__file__).with_name(script))),
        f"http://127.0.0.1:{server.port}",
    ]
    done = subprocess.run(
        command, env=environment.environment("", variables), capture_output=True, text=True, check=False
    )
    found = re.search(r"^FOUND (.*)$", done.stdout, re.MULTILINE)
    if not found:
        raise RuntimeError(f"wrk failed:\n{done.stdout}{done.stderr}")
    return json.loads(found[1])


def _tokens(server: Server, mine: Sequence[str]) -> list[str]:
    with contextlib.closing(server.connect()) as connection:
        tokens = []
        for path in mine:
            connection.request("POST", path, headers={"X-API-Key": server.key})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"POST {path}: {answer.status}")
            tokens.append(answer.headers[HEADER])
        return tokens
