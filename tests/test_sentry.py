"""What the real SDK of Sentry would send of the site: all but keys, tokens, ids of users and Zephr's."""

import json
import re
import time
import uuid

import pytest

from jay_sessions import sentry
from jay_sessions.core.secret_text import MASK
from project.zephr_demo_sessions import DEMO_SESSIONS
from project.zephr_stand_in import ZephrStandIn

from .conftest import COOKIE, PLAYOUT
from .support import servers

USER = f"somebody-{uuid.uuid4().hex}"
ZEPHR_ID, *_ = DEMO_SESSIONS
MADE_UP = f"jay_{'0' * 8}_{'k' * 43}"
PATH = f"/playouts/{PLAYOUT}/tracking/session"


def use(server, shared):
    """Ask for all that could leave a trace; return the token."""

    call = server.call
    status, headers = call("POST", f"{PATH}?user_id={USER}")
    assert status == 200
    token = headers["X-JAY-TRACKING"]
    carried = {"Cookie": f"{COOKIE}={token}; blaize_session={ZEPHR_ID}", "X_JAY_TRACKING": token}
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    for path in ("/fail/", "/afail/", "/refuse/", f"/playouts/broken/tracking/session?user_id={USER}"):
        method = "POST" if "broken" in path else "GET"
        assert call(method, path, **carried)[0] == 500
    broken = PATH.replace(PLAYOUT, "broken")
    assert call("POST", broken, body=json.dumps({"user_id": USER}), Content_Type="application/json")[0] == 500
    assert call("POST", broken, body=f"user_id={USER}", **form)[0] == 500
    for key in (server.key, MADE_UP):
        for method in ("POST", "GET", "DELETE"):
            call(method, f"{PATH}?user_id={USER}&x=1", key, **carried)
    assert call("GET", f"/playouts/{PLAYOUT}/tracking/sessions?user_id={USER}")[0] == 200
    shared.fault = None
    assert call("GET", f"/v3/sessions/{ZEPHR_ID}")[0] == 200
    assert call("GET", f"/v3/sessions/{ZEPHR_ID}?again", **carried)[0] == 200
    shared.fault = lambda handler: handler.connection.sendall(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")
    assert call("GET", f"/v3/sessions/{ZEPHR_ID}-else")[0] == 502
    assert call("GET", f"/admin/jay_sessions/trackingsession/?q={USER}", **carried)[0] == 302
    return token


def envelopes(file):
    deadline = time.monotonic() + 20
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    return file.read_text()


@pytest.fixture(params=["gunicorn", "granian, ASGI"])
def sent(request, tmp_path, shared_cache):
    """Use the site; gives a call that returns what would be sent, and the token that was in use."""

    def run(hooks):
        file = tmp_path / "sent"
        variables = {"SENT_TO_SENTRY": str(file), "SENTRY_HOOKS": hooks, "LOG_LEVEL": "DEBUG"}
        with ZephrStandIn("access", "secret-of-the-pair") as zephr:
            pair = {"ZEPHR_ACCESS_KEY": "access", "ZEPHR_SECRET_KEY": "secret-of-the-pair"}
            variables |= {**pair, "ZEPHR_BASE_URL": zephr.base_url, "ZEPHR_LINK_SESSIONS": "1"}
            variables |= {
                "REDIS_URL": shared_cache,
                "DJANGO_SETTINGS_MODULE": "tests.support.sentry_settings",
            }
            with servers.running(request.param, tmp_path, **variables) as server:
                token = use(server, zephr)
                text = envelopes(file)
        return text, (server.key, MADE_UP, token, USER, ZEPHR_ID, "secret-of-the-pair")

    return run


@pytest.mark.server
def test_nothing_that_is_sent_holds_a_secret(sent):
    text, secrets = sent("1")
    for kind in ('"type":"event"', '"type":"transaction"', "breadcrumbs", "LookupError", "ZeroDivisionError"):
        assert kind in text.replace('": ', '":')
    for op in ("http.client", "db.redis", '"db"'):
        assert op in text
    assert MASK in text
    for secret in secrets:
        assert secret not in text, near(text, secret)
        assert secret[: len(secret) // 2] not in text, near(text, secret[: len(secret) // 2])


def near(text, secret):
    return [
        text[max(match.start() - 200, 0) : match.end() + 50] for match in re.finditer(re.escape(secret), text)
    ]


@pytest.mark.server
def test_without_the_hooks_it_does(sent):
    text, secrets = sent("0")
    for secret in (secrets[2], USER, ZEPHR_ID):
        assert secret in text


def test_hooks_take_any_event():
    for event in (
        {},
        {"exception": None, "request": None},
        {"exception": {"values": [{"stacktrace": None}]}},
    ):
        for hook in sentry.HOOKS.values():
            assert hook(dict(event), {}) == event
