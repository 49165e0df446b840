"""Requests of all kinds, made up from a seed, as a web server hands them to a WSGI application."""

import io
import random
import sys
from typing import Any

PLAYOUTS = [
    "netflix-de:s01e01",
    "zdf",
    "123",
    "a" * 255,
    "a" * 256,
    "b\n",
    "ü".encode().decode("latin-1"),
    "a b",
    "x~y",
]
USERS = [
    "user-1",
    "user-2",
    "",
    "  ",
    "+padded+",
    "a" * 255,
    "a" * 256,
    "%00",
    "%FF",
    "%C3%BC",
    "%F0%9F%98%80" * 200,
    "undefined",
    "+null",
    "%5Bobject+Object%5D",
    "Undefined",
]
METHODS = ["POST"] * 8 + ["GET"] * 8 + ["DELETE", "HEAD", "OPTIONS", "PUT", "get"]


def environ(
    method: str = "GET", path: str = "/", query: str = "", body: bytes = b"", **more: Any
) -> dict[str, Any]:
    """Return the WSGI environ of a request; what is None in `more` is left out."""
    made = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **({"CONTENT_LENGTH": str(len(body))} if body else {}),
        **more,
    }
    return {name: value for name, value in made.items() if value is not None}


def mostly(rng: random.Random, usual: Any, *others: Any) -> Any:
    """Return the usual five times of six."""
    return usual if rng.random() < 5 / 6 else rng.choice(others)


def request(rng: random.Random, tokens: list[str]) -> dict[str, Any]:
    """Return what `environ` takes; `KEY` stands for a key of the site, which each side has one of."""
    playout = mostly(rng, PLAYOUTS[0], *PLAYOUTS)
    path = mostly(
        rng,
        f"/playouts/{playout}/tracking/session",
        f"/playouts/{playout}/tracking/session/",
        f"/playouts/{playout}/tracking/session/x",
        f"/playouts/{playout}/tracking/sessions",
        "/playouts//tracking/session",
        "/",
    )
    queries = [f"user_id={rng.choice(USERS)}" for _ in range(rng.choice([0, 1, 1, 1, 2]))]
    more: dict[str, Any] = {
        "HTTP_X_API_KEY": mostly(
            rng, "KEY", None, "nonsense", " KEY ", "jay_00000000_" + "A" * 43, "LIMITED"
        ),
        "HTTP_X_API_VERSION": mostly(
            rng, None, "2025-09-02", "", " 2025-09-02 ", "2025-08-04", "2025-08-27", "2024-01-01"
        ),
        "HTTP_HOST": mostly(rng, "localhost", "localhost:8000", "evil.example", "www.localhost", None),
        "HTTP_ORIGIN": mostly(rng, None, "https://www.example.com", "null"),
        # Often enough https: a site that redirects to it leaves little else to the lane.
        "HTTP_X_FORWARDED_PROTO": rng.choice([None, None, "https", "https", "http", "https, http"]),
        "HTTP_USER_AGENT": mostly(rng, "curl", None, "BadBot/1"),
        "HTTP_SEC_GPC": mostly(rng, None, "1", "0", " 1 "),
        "HTTP_ACCEPT": mostly(rng, "*/*", "text/html", None),
        "wsgi.url_scheme": mostly(rng, "http", "https"),
        "SCRIPT_NAME": mostly(rng, "", "/mounted"),
        "SERVER_PROTOCOL": mostly(rng, "HTTP/1.1", "HTTP/1.0", "HTTP/2.0"),
        "CONTENT_TYPE": mostly(rng, None, "application/json", "text/plain", "a/b; charset*0=a; charset*=c"),
    }
    cookies = [f"__Secure-jay_tracking={token}" for token in _tokens(rng, tokens)]
    cookies += [mostly(rng, "theme=dark", "csrftoken=short", "sessionid=none", "blaize_session=zephr-1")]
    joined = mostly(rng, "; ", ", ", ",").join(cookies)
    more["HTTP_COOKIE"] = mostly(rng, joined, None, ";;=", "=")
    more["HTTP_X_JAY_TRACKING"] = next(iter(_tokens(rng, tokens)), None)
    body = mostly(rng, b"", b'{"user_id": "from-body"}', b"user_id=from-body", b"{")
    if not body:
        more["CONTENT_LENGTH"] = mostly(rng, None, "0", "")
    if rng.random() < 0.05:
        queries.append(rng.choice(["zephr_session_id=zephr-2", "user_id", "&&", "a=b"]))
    return {"method": rng.choice(METHODS), "path": path, "query": "&".join(queries), "body": body, **more}


def _tokens(rng: random.Random, tokens: list[str]) -> list[str]:
    chosen = [rng.choice(tokens) for _ in range(rng.choice([0, 1, 1, 1, 2]))]
    return [
        token if rng.random() < 0.9 else rng.choice([token[:-2], f'"{token}"', "garbage", ""])
        for token in chosen
    ]
