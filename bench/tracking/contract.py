"""Whether a server does what is measured: asked once each time that one has started."""

import base64
import datetime
import json
import uuid

from .cluster import Cluster
from .serving import Prepared, Server

COOKIE, HEADER = "__Secure-jay_tracking", "X-JAY-TRACKING"
SOURCE = "jay.api.playout.1.0.0"
ATTRIBUTES = {"secure", "httponly", "path=/", "samesite=lax"}


class Broken(Exception):
    """It does not."""


def check(server: Server, prepared: Prepared, cluster: Cluster) -> None:
    """Return where it does; raises Broken with the first difference."""
    data, token = _start(server, "user-1")
    if not prepared.contender.table:
        return
    _equal(set(data), {"sessionId", "startTime", "source", "userId", "providerName"})
    _equal((data["userId"], data["source"], data["providerName"]), ("user-1", SOURCE, "netflix"))
    started = datetime.datetime.fromisoformat(data["startTime"])
    _equal((started.tzinfo, started.isoformat(timespec="microseconds")), (None, data["startTime"]))
    _row(prepared, cluster, data)
    _token(data, token)
    _equal(_read(server, {"Cookie": f"{COOKIE}={token}"}), data)
    _equal(_read(server, {HEADER: token}), data)
    anonymous, token = _start(server, None)
    _equal(set(anonymous), {"sessionId", "startTime", "source", "providerName"})
    _equal(_read(server, {"Cookie": f"{COOKIE}={token}"}), anonymous)
    for headers in ({}, {HEADER: "bm8="}, {"Cookie": f"{COOKIE}=bm8="}):
        status, _, body = server.ask("GET", headers=headers)
        _equal((status, json.loads(body)["error"]["code"]), (400, 1001))
    for method in ("POST", "GET"):
        status, _, _ = server.ask(method, headers={"X-API-Key": "wrong", HEADER: token})
        if status not in {401, 403}:
            raise Broken(f"{method} with a wrong key: {status}")


def _start(server: Server, user_id: str | None) -> tuple[dict[str, str], str]:
    query = "" if user_id is None else f"?user_id={user_id}"
    path = f"/playouts/netflix-de:0001/tracking/session{query}"
    status, headers, body = server.ask("POST", path)
    _equal(status, 200)
    cookie, *attributes = [part.strip() for part in (headers["Set-Cookie"] or "").split(";")]
    token = headers[HEADER]
    _equal((cookie.partition("=")[0], cookie.partition("=")[2].strip('"')), (COOKIE, token))
    if not {attribute.lower() for attribute in attributes} >= ATTRIBUTES:
        raise Broken(f"The cookie's attributes: {attributes}")
    return json.loads(body)["data"], token


def _read(server: Server, headers: dict[str, str]) -> object:
    status, _, body = server.ask("GET", headers=headers)
    _equal(status, 200)
    return json.loads(body)["data"]


def _row(prepared: Prepared, cluster: Cluster, data: dict[str, str]) -> None:
    session_id = uuid.UUID(data["sessionId"])
    columns = "playout_id, provider_name, user_id, source"
    statement = f"SELECT {columns} FROM {prepared.contender.table} WHERE session_id = '{session_id}'"
    row = cluster.sql(statement, prepared.database)
    _equal(row, f"netflix-de:0001|netflix|user-1|{SOURCE}")


def _token(data: dict[str, str], token: str) -> None:
    said = json.loads(base64.b64decode(token))
    expected = {
        "session_id": data["sessionId"],
        "start_time": data["startTime"],
        "source": SOURCE,
        "user_id": "user-1",
        "provider_name": "netflix",
    }
    # Ours is signed as well.
    said.pop("signature", None)
    _equal(said, expected)


def _equal(found: object, expected: object) -> None:
    if found != expected:
        raise Broken(f"{found!r} instead of {expected!r}")
