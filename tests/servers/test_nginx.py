"""The longest tokens through a real nginx: with its defaults, and as docs/operations.md says."""

import contextlib
import http.client
import json
import socket
from urllib.parse import quote

import pytest

from ..conftest import COOKIE, PATH
from ..support import servers
from ..support.nginx import SHOWN, before

pytestmark = pytest.mark.server

DEFAULTS = "location / { proxy_pass http://127.0.0.1:8000; proxy_set_header Host $host; }"
CYRILLIC = "ж" * 255


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with servers.running("granian", tmp_path_factory.mktemp("nginx")) as server:
        yield server


@pytest.fixture
def nginx(site, tmp_path):
    """Put an nginx with these directives before the site; gives its port."""
    with contextlib.ExitStack() as stack:
        yield lambda inside: stack.enter_context(before(site.port, tmp_path, inside))


def call(port, key, method, user=None, **headers):
    """Status, token and body of an answer."""
    query = f"?user_id={quote(user)}" if user else ""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request(method, PATH + query, headers={"X-API-Key": key, **headers})
        answer = connection.getresponse()
        return answer.status, answer.headers["X-JAY-TRACKING"], answer.read()


def test_bodies_that_do_not_end_hold_no_thread_of_the_site(nginx, site):
    port = nginx(SHOWN)
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 60)) for _ in range(30)]
        for connection in held:
            head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {site.key}\r\n"
            connection.sendall(
                f"{head}Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n{{".encode()
            )
        for _ in range(5):
            assert call(port, site.key, "POST")[0] == 200
        # Whoever is silent for so long hears of it, or is left.
        assert held[0].recv(12) in (b"HTTP/1.1 408", b"")


@pytest.fixture(scope="module")
def longest(site):
    """A user id with whose token the site answers 200, while one character more is a 422."""
    for beyond in range(255, 0, -1):
        found = "\U0001f600" * beyond + "\x7e" * 2
        if call(site.port, site.key, "POST", found[:255])[0] == 200:
            return found[:255]
    raise AssertionError


def test_with_its_defaults_a_long_token_is_a_502_though_the_session_is_stored(nginx, site):
    before = site.rows()
    assert call(nginx(DEFAULTS), site.key, "POST", CYRILLIC)[0] == 502
    assert site.rows() == before + 1


def test_twice_its_default_is_not_enough_for_the_longest(nginx, site, longest):
    port = nginx(DEFAULTS.replace("}", "proxy_buffer_size 8k; }"))
    assert call(port, site.key, "POST", CYRILLIC)[0] == 200
    assert call(port, site.key, "POST", longest)[0] == 502


@pytest.mark.parametrize("others", [0, 4000, 8000])
def test_with_what_the_docs_say_the_longest_token_comes_through(nginx, site, longest, others):
    port = nginx(SHOWN)
    status, token, started = call(port, site.key, "POST", longest)
    assert status == 200
    assert 4000 < len(f"{COOKIE}={token}") <= 4096
    carried = {"Cookie": f"other={'x' * others}; {COOKIE}={token}", "X-JAY-TRACKING": token}
    status, _, read = call(port, site.key, "GET", **carried)
    assert (status, json.loads(read)) == (200, json.loads(started))
    assert call(port, site.key, "DELETE", **carried)[0] == 200
    assert call(port, site.key, "GET", **carried)[0] == 400


def test_with_its_defaults_many_cookies_beside_a_long_token_are_refused_in_html(nginx, site, longest):
    _, token, _ = call(site.port, site.key, "POST", longest)
    carried = {"Cookie": f"other={'x' * 4200}; {COOKIE}={token}", "X-JAY-TRACKING": token}
    port = nginx(DEFAULTS)
    assert call(port, site.key, "GET", **{**carried, "Cookie": f"{COOKIE}={token}"})[0] == 200
    status, _, body = call(port, site.key, "GET", **carried)
    assert (status, b"<html>" in body) == (400, True)
