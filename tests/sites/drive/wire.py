"""What a web server makes of requests and answers: cookies in parts, HEAD, names with underscores, HTTP/2."""

import contextlib
import http.client
from collections.abc import Iterator

from ..client import TIMEOUT, Answer, Headers, send
from ..http2 import over_http2
from ..processes import NotRight
from ..servers import SERVERS
from ..visit import COOKIE, Visit, details, need, said, status
from . import Step


def _crumbs(visit: Visit) -> list[tuple[str, str]]:
    """Return the Cookie fields of a client that sends each cookie by itself."""
    return [("Cookie", "first=1"), ("Cookie", f"{COOKIE}={visit.token}"), ("Cookie", "last=3")]


def joins_cookies(visit: Visit) -> None:
    for _ in range(2):
        answer = status(visit.ask("GET", f"{visit.api}/session", *_crumbs(visit)), 200)
        need(answer.json()["data"] == visit.session, "the session's cookie is found", answer)


def ends_by_crumbs(visit: Visit) -> None:
    token = visit.start().get("X-JAY-TRACKING")
    crumbs = [("Cookie", "first=1"), ("Cookie", f"{COOKIE}={token}")]
    answer = status(visit.ask("DELETE", f"{visit.api}/session", *crumbs), 200)
    need(said(answer) == "The tracking session has ended.", "it has ended", answer)
    status(visit.ask("GET", f"{visit.api}/session", ("X-JAY-TRACKING", token)), 400)


def keeps_to_head(visit: Visit) -> None:
    """HEAD, then GET, over one connection wherever the server keeps it."""
    headers = [("Host", "127.0.0.1"), ("X-API-Key", visit.key), ("X-JAY-TRACKING", visit.token)]
    connection = http.client.HTTPConnection("127.0.0.1", visit.port, timeout=TIMEOUT)
    with contextlib.closing(connection):
        for method in ("HEAD", "GET", "HEAD", "GET"):
            try:
                answer = send(connection, method, f"{visit.api}/session", headers)
            except (OSError, http.client.HTTPException) as error:
                raise NotRight(f"> {method} after HEAD on one connection\n{error!r}") from error
            status(answer, 200)
            need(method == "GET" or answer.body == b"", "HEAD has no body", answer)
        need(answer.json()["data"] == visit.session, "GET after HEAD is right", answer)


def ignores_underscores(visit: Visit) -> None:
    path = f"{visit.api}/session"
    host, token = ("Host", "127.0.0.1"), ("X-JAY-TRACKING", visit.token)
    answer = visit.client.request("GET", path, [host, token, ("X_API_Key", visit.key)])
    need(details(status(answer, 401)) == "API_KEY_MISSING", "X_API_Key is no key", answer)
    for names in (("X-API-Key", "X_API_Key"), ("X_API_Key", "X-API-Key")):
        texts = {"X-API-Key": visit.key, "X_API_Key": "jay_nobody"}
        headers: Headers = [host, token, *((name, texts[name]) for name in names)]
        # A server that refuses such a request altogether is right too.
        status(visit.client.request("GET", path, headers), 200, 400)


def _ask2(visit: Visit, method: str, *headers: tuple[str, str]) -> Answer:
    return over_http2(visit.port, method, f"{visit.api}/session", [("X-API-Key", visit.key), *headers])


def speaks_http2(visit: Visit) -> None:
    answer = status(_ask2(visit, "POST"), 200)
    visit.started += 1
    for name, text in answer.headers:
        need(text == text.strip(), f"no white space is around the value of {name}", answer.headers)
    token, session = answer.get("x-jay-tracking"), answer.json()
    crumbs = [("Cookie", "first=1"), ("Cookie", f"{COOKIE}={token}"), ("Cookie", "last=3")]
    for _ in range(2):
        answer = status(_ask2(visit, "GET", *crumbs), 200)
        need(answer.json() == session, "a cookie header in parts is read", answer)
    answer = status(_ask2(visit, "DELETE", *crumbs), 200)
    for name, text in answer.headers:
        need(text == text.strip(), f"no white space is around the value of {name}", answer.headers)
    need(said(answer) == "The tracking session has ended.", "it has ended", answer)
    status(_ask2(visit, "GET", *crumbs), 400)


STEPS = (
    ("several Cookie fields are one", joins_cookies),
    ("several Cookie fields are one for DELETE too", ends_by_crumbs),
    ("HEAD has no body, and the connection goes on", keeps_to_head),
)
NAMES_STEPS = (("a header with underscores is none of ours", ignores_underscores),)
HTTP2_STEPS = (("over HTTP/2 a session lives from POST to DELETE", speaks_http2),)


def steps(name: str) -> Iterator[Step]:
    """Return the steps for a server; none for the test client."""
    if name not in SERVERS:
        return
    yield from STEPS
    if SERVERS[name].keeps_names:
        yield from NAMES_STEPS
    if SERVERS[name].http2:
        yield from HTTP2_STEPS
