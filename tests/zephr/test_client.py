"""What arrives at Zephr, and who may use a client."""

import concurrent.futures
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jay_sessions.exceptions import InvalidValue, ZephrCredentialsRejected, ZephrSessionNotFound, ZephrTimeout
from jay_sessions.zephr.client import ZephrClient
from jay_sessions.zephr.session import ZephrSession
from jay_sessions.zephr.signature import authorization
from project.zephr_demo_sessions import DEMO_SESSIONS

from ..support.zephr_wire import ACCESS_KEY, KNOWN, SECRET_KEY, answer, credentials_of, raw_server, sending

pytest_plugins = ["tests.support.zephr_fixtures"]


def test_a_session_comes_back_typed_and_as_it_was_sent(zephr_client):
    session = zephr_client.get_session(KNOWN)
    assert session == ZephrSession.parse(DEMO_SESSIONS[KNOWN])
    assert session.tenant_id == "demo"
    assert session.raw == DEMO_SESSIONS[KNOWN]


def test_fields_that_nobody_knows_yet_are_kept(zephr, zephr_client):
    zephr.sessions = {"future": {"tenantId": "company", "future": [1, {"a": None}]}}
    assert zephr_client.get_session("future").raw == zephr.sessions["future"]


def test_the_request_is_signed_and_asks_for_json(zephr, connect):
    clock, nonce = (lambda: time.time() // 1), (lambda: "a-nonce")
    connect(zephr.base_url, clock=clock, nonce=nonce).get_session(KNOWN)
    (seen,) = zephr.requests
    timestamp = int(seen.headers["Authorization"].split(":")[1])
    assert timestamp % 1000 == 0
    assert seen.headers["Authorization"] == authorization(
        ACCESS_KEY,
        SECRET_KEY,
        body=b"",
        path=f"/v3/sessions/{KNOWN}",
        query="",
        method="GET",
        timestamp=timestamp,
        nonce="a-nonce",
    )
    assert seen.headers["Accept"] == "application/json"
    assert seen.headers["Accept-Encoding"] == "gzip"


def test_the_default_clock_and_nonce_are_good_for_many_calls(zephr, zephr_client):
    for _ in range(20):
        zephr_client.get_session(KNOWN)
    assert len({nonce for _, _, nonce, _ in credentials_of(zephr)}) == 20


@pytest.mark.parametrize(
    ("session_id", "segment"),
    [
        ("ä€😀", "%C3%A4%E2%82%AC%F0%9F%98%80"),
        ("100%", "100%25"),
        ("%2e%2e", "%252e%252e"),
        ("%2E", "%252E"),
        ("%2F..%2F", "%252F..%252F"),
        ("a+b", "a%2Bb"),
        ("a b", "a%20b"),
        (" ", "%20"),
        ("a?b=c", "a%3Fb%3Dc"),
        ("a#b", "a%23b"),
        ("a;b", "a%3Bb"),
        ("a\\b", "a%5Cb"),
        ("..\\..", "..%5C.."),
        ("a/../b", "a%2F..%2Fb"),
        ("...", "..."),
        ("~-._", "~-._"),
        ("@:!$&'()*,=[]", "%40%3A%21%24%26%27%28%29%2A%2C%3D%5B%5D"),
        ("http://other.example/", "http%3A%2F%2Fother.example%2F"),
        ("💩" * 255, "%F0%9F%92%A9" * 255),
    ],
)
def test_an_id_arrives_as_one_segment_that_is_signed_as_it_was_sent(zephr, connect, session_id, segment):
    zephr.sessions = {session_id: {"user_id": "found"}}
    assert connect(zephr.base_url).get_session(session_id).user_id == "found"
    assert zephr.requests[-1].path == f"/v3/sessions/{segment}"


@pytest.mark.parametrize(
    "session_id", ["", ".", "..", "a\nb", "a\r\nX: y", "\x00", "\x7f", "\x9f", "x" * 256, "\ud800", None, 7]
)
def test_an_id_that_cannot_be_one_is_refused_before_anything_is_sent(zephr, zephr_client, session_id):
    with pytest.raises(InvalidValue):
        zephr_client.get_session(session_id)
    assert not zephr.requests


@pytest.mark.parametrize(
    ("prefix", "path"),
    [
        ("", ""),
        ("/", ""),
        ("/proxy/zephr", "/proxy/zephr"),
        ("/proxy/", "/proxy"),
        ("//proxy//a/", "/proxy//a"),
        ("/a b/%7e/%c3%a4/ü/[x]", "/a%20b/~/%C3%A4/%C3%BC/%5Bx%5D"),
        ("/a/../b/./c", "/b/c"),
    ],
)
def test_a_path_in_the_base_url_is_kept_and_signed_as_it_was_sent(zephr, connect, prefix, path):
    # Not found, rather than refused, proves the signature.
    with pytest.raises(ZephrSessionNotFound):
        connect(zephr.base_url + prefix).get_session("nobody")
    assert zephr.requests[-1].path == f"{path}/v3/sessions/nobody"


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "acme.api.zephr.com",
        "ftp://acme.api.zephr.com",
        "https://",
        "https://user:password@acme.api.zephr.com",
        "https://acme.api.zephr.com?a=b",
        "https://acme.api.zephr.com#a",
        "http://[::1",
        "http://*.zephr.com",
        "http://ü*.zephr.com",
        "http://acme.api.zephr.com:99999999",
    ],
)
def test_a_base_url_that_cannot_work_is_refused(base_url):
    with pytest.raises(ValueError, match=r"(?i)url|label|parse") as caught:
        ZephrClient(base_url, ACCESS_KEY, SECRET_KEY)
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    "pair", [("", "s"), ("a", ""), ("a:b", "s"), ("a\r\nX: y", "s"), ("ä", "s"), ("a", "s\ud800")]
)
def test_a_key_pair_that_cannot_work_is_refused(pair):
    with pytest.raises(ValueError, match="key pair"):
        ZephrClient("https://acme.api.zephr.com", *pair)


@pytest.mark.parametrize("max_attempts", [0, -1])
def test_a_client_that_never_tries_is_refused(max_attempts):
    with pytest.raises(ValueError, match="one try"):
        ZephrClient("https://acme.api.zephr.com", ACCESS_KEY, SECRET_KEY, max_attempts=max_attempts)


@pytest.mark.parametrize(
    "credentials",
    [
        {"access_key": "someone-else"},
        {"secret_key": "guessed"},
        {"nonce": lambda: "always-the-same"},
    ],
    ids=lambda credentials: next(iter(credentials)),
)
def test_a_signature_that_zephr_refuses_means_rejected_credentials(zephr, connect, credentials):
    zephr_client = connect(zephr.base_url, **credentials)
    if "nonce" in credentials:
        zephr_client.get_session(KNOWN)
    with pytest.raises(ZephrCredentialsRejected):
        zephr_client.get_session(KNOWN)


def test_a_connection_is_used_again(zephr, zephr_client):
    zephr_client.get_session(KNOWN)
    with pytest.raises(ZephrSessionNotFound):
        zephr_client.get_session("nobody")
    zephr_client.get_session(KNOWN)
    assert len(zephr.requests) == 3
    assert len({seen.client for seen in zephr.requests}) == 1


def test_a_connection_that_zephr_closed_meanwhile_is_replaced(zephr, zephr_client):
    zephr_client.get_session(KNOWN)
    zephr.break_connections()
    zephr_client.get_session(KNOWN)
    assert len({seen.client for seen in zephr.requests}) == 2


def test_a_client_that_is_closed_ends_its_connections_though_a_try_had_failed(connect):
    waiting, ended = [b"", answer(b"{}")], threading.Event()

    def serve(connection, stopping):
        connection.settimeout(10)
        connection.recv(65536)
        connection.sendall(waiting.pop(0))
        if not waiting and connection.recv(65536) == b"":
            ended.set()

    with raw_server(serve) as address:
        zephr_client = connect(f"http://{address}")
        zephr_client.get_session(KNOWN)
        zephr_client.close()
        assert ended.wait(5)


def test_many_threads_share_a_client_and_no_nonce_is_used_twice(zephr, zephr_client):
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        ids = list(DEMO_SESSIONS) * 80
        assert [s.raw for s in pool.map(zephr_client.get_session, ids)] == [DEMO_SESSIONS[i] for i in ids]
    assert len({nonce for _, _, nonce, _ in credentials_of(zephr)}) == len(ids) == len(zephr.requests)
    assert len({seen.client for seen in zephr.requests}) <= 32


def test_each_thread_has_a_time_limit_of_its_own(zephr, connect):
    patient, hasty = connect(zephr.base_url), connect(zephr.base_url, timeout=0.2)

    def late(handler):
        time.sleep(0.6)
        handler.connection.sendall(answer(b"{}"))

    zephr.fault = late
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answered, given_up = pool.submit(patient.get_session, KNOWN), pool.submit(hasty.get_session, KNOWN)
        assert answered.result() == ZephrSession.parse({})
        assert isinstance(given_up.exception(), ZephrTimeout)


def test_no_cookie_is_kept(zephr, zephr_client):
    zephr.fault = sending(answer(b"{}", Set_Cookie="tracking=1; Path=/", Connection="close"))
    zephr_client.get_session(KNOWN)
    zephr_client.get_session(KNOWN)
    assert all("Cookie" not in seen.headers for seen in zephr.requests)


def test_a_netrc_of_the_environment_plays_no_part(zephr, zephr_client, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert zephr_client.get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]


def test_the_repr_shows_the_base_url_alone(connect):
    assert repr(connect("https://acme.api.zephr.com/")) == "<ZephrClient https://acme.api.zephr.com>"


ALONE = """
import sys
from jay_sessions.zephr.client import ZephrClient

print(ZephrClient(*sys.argv[1:4]).get_session(sys.argv[4]).tenant_id)
assert not {"django", "rest_framework"} & set(sys.modules)
"""


def test_a_call_needs_no_django(zephr):
    run = subprocess.run(
        [sys.executable, "-c", ALONE, zephr.base_url, ACCESS_KEY, SECRET_KEY, KNOWN],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout.strip(), run.stderr) == ("demo", "")
