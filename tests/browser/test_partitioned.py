"""The cookie of a player on another site, in a browser that blocks third-party cookies."""

import contextlib
import json

import pytest

from ..conftest import COOKIE
from ..support import servers
from ..support.tls_front import tls_front
from .test_admin import browser

pytestmark = [pytest.mark.browser, pytest.mark.server]

PARTITIONED = {"JAY_COOKIE_PARTITIONED": "1"}
SITES = {
    "WSGI": ("granian", PARTITIONED),
    "ASGI": ("granian, ASGI", {**PARTITIONED, "JAY_RECORDER": "group"}),
    "not partitioned": ("granian", {}),
}
ROUND = """
    const [options, done] = arguments;
    (async () => {
        const { TrackingSession } = await import("/static/project/tracking-session.js");
        const session = new TrackingSession(JSON.parse(options));
        return await session.CALL();
    })().then(done, (error) => done(String(error)));
"""


@pytest.fixture(scope="module")
def chromium():
    names = ("--host-resolver-rules=MAP *.test 127.0.0.1", "--ignore-certificate-errors", "--no-proxy-server")
    with browser(*names, third_party_cookies=False) as chrome:
        yield chrome


@pytest.fixture
def page(request, chromium, tmp_path):
    """Pages of two sites call the API on a third: `page(site, call)`, by the cookie alone."""
    name, variables = SITES[request.param]
    port = servers.free_port()
    origins = ",".join(f"https://{site}.test:{port}" for site in ("player", "other"))
    variables = {
        **variables,
        "ALLOWED_HOSTS": "localhost,127.0.0.1,.test",
        "CORS_ALLOWED_ORIGINS": origins,
        "JAY_COOKIE_SAMESITE": "None",
    }
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(servers.running(name, tmp_path, **variables))
        stack.enter_context(tls_front(port, server.port))
        given = {"url": f"https://sessions.test:{port}", "key": server.key, "playout": "netflix-de:s01e01"}
        options = json.dumps({**given, "header": False})

        def run(site, call):
            chromium.get(f"https://{site}.test:{port}/player/")
            return chromium.execute_async_script(ROUND.replace("CALL", call), options)

        yield run
        chromium.get("about:blank")


def kept(chromium):
    cookies = chromium.execute_cdp_cmd("Storage.getCookies", {})["cookies"]
    return [cookie for cookie in cookies if cookie["name"] == COOKIE]


@pytest.mark.parametrize("page", ["WSGI", "ASGI"], indirect=True)
def test_a_partitioned_cookie_comes_back_and_is_deleted(page, chromium):
    started = page("player", "start")
    assert "sessionId" in started
    [cookie] = kept(chromium)
    assert cookie["partitionKey"]["topLevelSite"] == "https://player.test"
    assert page("player", "read") == started
    assert page("other", "read") is None
    page("player", "end")
    assert kept(chromium) == []
    assert page("player", "read") is None


@pytest.mark.parametrize("page", ["not partitioned"], indirect=True)
def test_another_cookie_does_not_come_back(page, chromium):
    assert "sessionId" in page("player", "start")
    assert kept(chromium) == []
    assert page("player", "read") is None
