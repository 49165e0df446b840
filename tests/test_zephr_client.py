import concurrent.futures
import contextlib
import datetime
import gzip
import json
import logging
import socket
import ssl
import struct
import threading
import time
import traceback
import tracemalloc
import zlib

import pytest
import requests

from jay_sessions.exceptions import (
    InvalidValue,
    ZephrBadResponse,
    ZephrCredentialsRejected,
    ZephrError,
    ZephrSessionNotFound,
    ZephrThrottled,
    ZephrTimeout,
    ZephrUnavailable,
)
from jay_sessions.zephr.client import MAX_BODY_BYTES, ZephrClient
from jay_sessions.zephr.session import ZephrSession
from jay_sessions.zephr.signature import authorization
from project.zephr_demo_sessions import DEMO_SESSIONS
from project.zephr_stand_in import ZephrStandIn

ACCESS_KEY, SECRET_KEY = "client-access-key", "client-secret-key"
KNOWN = next(iter(DEMO_SESSIONS))
SESSIONS = {**DEMO_SESSIONS, "future": {"tenantId": "company", "future": [1, {"a": None}]}}
DRIP_TIMEOUT = 0.4

# Made for this file: self-signed for 127.0.0.1, from 2020 to 2120.
TLS_KEY_AND_CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg8JiUxbnZ7EZXDrMY
Y45boz5Gg0z43RWgY8U4KFbNPgChRANCAAQ+fLL6J42kq81eVKgwGMYlbGPI15px
yGIEO2PHRdPaHVlCJ/iXhx867UTplgRElPbJgB48GvJGHEhIUZuRV972
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBbDCCARKgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAkxMjcuMC4w
LjEwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CTEyNy4wLjAuMTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABD58svonjaSrzV5U
qDAYxiVsY8jXmnHIYgQ7Y8dF09odWUIn+JeHHzrtROmWBESU9smAHjwa8kYcSEhR
m5FX3vajUzBRMA8GA1UdEQQIMAaHBH8AAAEwDwYDVR0TAQH/BAUwAwEB/zAOBgNV
HQ8BAf8EBAMCAoQwHQYDVR0OBBYEFFsIU5qLPjQyCcB7sKIkQcupl3nvMAoGCCqG
SM49BAMCA0gAMEUCIQCa0Fx1hsq954mVjmOfY9b14yqvHDxLglvGLz2hYNruzgIg
RG1kRoXrz+Q9G1CJ/dd74epSuF+T/71zTodfqBie1YE=
-----END CERTIFICATE-----
"""


@pytest.fixture
def zephr():
    with ZephrStandIn(ACCESS_KEY, SECRET_KEY, SESSIONS) as stand_in:
        yield stand_in


@pytest.fixture
def connect():
    """Make clients with the right key pair, which are closed after the test."""
    with contextlib.ExitStack() as stack:

        def make(base_url, access_key=ACCESS_KEY, secret_key=SECRET_KEY, **options):
            return stack.enter_context(
                contextlib.closing(ZephrClient(base_url, access_key, secret_key, **options))
            )

        yield make


@pytest.fixture
def client(zephr, connect):
    return connect(zephr.base_url)


@contextlib.contextmanager
def raw_server(handle):
    """A server on 127.0.0.1 that calls `handle(connection, stopping)` for one connection after the other."""
    stopping = threading.Event()

    def serve():
        while not stopping.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    handle(connection, stopping)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stopping.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def answer(body=b"", status="200 OK", **headers):
    """An answer as bytes; a header that is None is left out."""
    headers = {"Content_Type": "application/json", "Content_Length": len(body)} | headers
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1") + body


def chunked(*chunks):
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return answer(body, Content_Length=None, Transfer_Encoding="chunked")


def sending(data):
    return lambda handler: handler.connection.sendall(data)


def dripping(data, drop=b"a"):
    """Send `data`, then `drop` again and again."""

    def fault(handler):
        handler.connection.sendall(data)
        while not handler.server.stand_in.stopping.wait(0.05):
            handler.connection.sendall(drop)

    return fault


def resetting(data):
    """Send `data`, then break the connection with a reset."""

    def fault(handler):
        handler.connection.sendall(data)
        time.sleep(0.05)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    return fault


def signature(zephr):
    return zephr.requests[-1].headers["Authorization"].rpartition(":")[2]


def everything_said(error):
    """Whatever an exception and those behind it say, the attributes and arguments included."""
    seen, waiting, said = set(), [error], ["".join(traceback.format_exception(error))]
    while waiting:
        current = waiting.pop()
        if isinstance(current, BaseException) and id(current) not in seen:
            seen.add(id(current))
            said += [str(current), repr(current), repr(current.args), repr(vars(current))]
            waiting += [current.__cause__, current.__context__, *current.args]
    return "\n".join(said)


# What arrives at Zephr, and what comes back.


def test_a_session_comes_back_typed_and_as_it_was_sent(client):
    session = client.get_session(KNOWN)
    assert session == ZephrSession.parse(DEMO_SESSIONS[KNOWN])
    assert session.tenant_id == "demo"
    assert session.raw == DEMO_SESSIONS[KNOWN]


def test_fields_that_nobody_knows_yet_are_kept(client):
    assert client.get_session("future").raw == SESSIONS["future"]


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


def test_the_default_clock_and_nonce_are_good_for_many_calls(zephr, client):
    for _ in range(20):
        client.get_session(KNOWN)
    nonces = {seen.headers["Authorization"].split(":")[2] for seen in zephr.requests}
    assert len(nonces) == 20


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
def test_an_id_that_cannot_be_one_is_refused_before_anything_is_sent(zephr, client, session_id):
    with pytest.raises(InvalidValue):
        client.get_session(session_id)
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


def test_a_connection_is_used_again(zephr, client):
    client.get_session(KNOWN)
    with pytest.raises(ZephrSessionNotFound):
        client.get_session("nobody")
    client.get_session(KNOWN)
    assert len(zephr.requests) == 3
    assert len({seen.client for seen in zephr.requests}) == 1


def test_a_connection_that_zephr_closed_meanwhile_is_replaced(zephr, client):
    client.get_session(KNOWN)
    zephr.break_connections()
    client.get_session(KNOWN)
    assert len({seen.client for seen in zephr.requests}) == 2


def test_threads_share_a_client(zephr, client):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ids = list(DEMO_SESSIONS) * 40
        assert [s.raw for s in pool.map(client.get_session, ids)] == [DEMO_SESSIONS[i] for i in ids]
    assert len({seen.client for seen in zephr.requests}) <= 8


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


def test_no_cookie_is_kept(zephr, client):
    zephr.fault = sending(answer(b"{}", Set_Cookie="tracking=1; Path=/", Connection="close"))
    client.get_session(KNOWN)
    client.get_session(KNOWN)
    assert all("Cookie" not in seen.headers for seen in zephr.requests)


def test_neither_a_netrc_nor_a_proxy_of_the_environment_plays_a_part(zephr, client, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert client.get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]


# The contract's table of errors.


@pytest.mark.parametrize(
    "credentials",
    [
        {"access_key": "someone-else"},
        {"secret_key": "guessed"},
        {"clock": lambda: time.time() - 3600},
        {"nonce": lambda: "always-the-same"},
    ],
    ids=lambda credentials: next(iter(credentials)),
)
def test_a_signature_that_zephr_refuses_means_rejected_credentials(zephr, connect, credentials):
    client = connect(zephr.base_url, **credentials)
    if "nonce" in credentials:
        client.get_session(KNOWN)
    with pytest.raises(ZephrCredentialsRejected):
        client.get_session(KNOWN)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("401 Unauthorized", ZephrCredentialsRejected),
        ("403 Forbidden", ZephrCredentialsRejected),
        ("404 Not Found", ZephrSessionNotFound),
        ("429 Too Many Requests", ZephrThrottled),
        ("500 Internal Server Error", ZephrUnavailable),
        ("502 Bad Gateway", ZephrUnavailable),
        ("503 Service Unavailable", ZephrUnavailable),
        ("599 Who Knows", ZephrUnavailable),
        ("103 Early Hints", ZephrBadResponse),
        ("201 Created", ZephrBadResponse),
        ("204 No Content", ZephrBadResponse),
        ("206 Partial Content", ZephrBadResponse),
        ("301 Moved Permanently", ZephrBadResponse),
        ("302 Found", ZephrBadResponse),
        ("304 Not Modified", ZephrBadResponse),
        ("307 Temporary Redirect", ZephrBadResponse),
        ("400 Bad Request", ZephrBadResponse),
        ("410 Gone", ZephrBadResponse),
        ("422 Unprocessable Content", ZephrBadResponse),
        ("600 Beyond", ZephrBadResponse),
    ],
)
def test_each_status_has_one_meaning(zephr, client, status, expected):
    zephr.fault = sending(answer(b'{"user_id": "none"}', status))
    with pytest.raises(ZephrError) as caught:
        client.get_session(KNOWN)
    assert type(caught.value) is expected
    assert len(zephr.requests) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("007", 7),
        ("0", 1),
        ("3600", 3600),
        ("86400", 3600),
        ("9" * 5000, 3600),
        ("Thu, 01 Jan 2026 00:10:00 GMT", 600),
        ("Thu, 01 Jan 2026 01:10:00 +0100", 600),
        ("Thu, 01 Jan 2026 00:10:00 -0000", 600),
        ("Thursday, 01-Jan-26 00:10:00 GMT", 600),
        ("Wed, 31 Dec 2025 23:59:00 GMT", 1),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_wish_of_a_throttling_zephr_is_passed_on_within_bounds(zephr, connect, header, seconds):
    zephr.fault = sending(answer(b"", "429 Too Many Requests", Retry_After=header))
    new_year = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC).timestamp()
    with pytest.raises(ZephrThrottled) as caught:
        connect(zephr.base_url, clock=lambda: new_year).get_session(KNOWN)
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    "header", [None, "", "soon", "-5", "1.5", "²", "Mon, 99 Foo 2026 99:00:00 GMT", "1 A"]
)
def test_a_throttling_zephr_may_name_no_time(zephr, client, header):
    zephr.fault = sending(answer(b"", "429 Too Many Requests", Retry_After=header))
    with pytest.raises(ZephrThrottled) as caught:
        client.get_session(KNOWN)
    assert caught.value.retry_after is None


def test_a_redirect_is_not_followed(zephr, client):
    with ZephrStandIn(ACCESS_KEY, SECRET_KEY) as other:
        bomb = gzip.compress(b"\0" * 10**6)
        headers = {"Location": f"{other.base_url}/v3/sessions/{KNOWN}", "Content_Encoding": "gzip"}
        zephr.fault = sending(answer(bomb, "301 Moved Permanently", **headers))
        with pytest.raises(ZephrBadResponse):
            client.get_session(KNOWN)
        assert not other.requests


@pytest.mark.parametrize(
    "data",
    [
        answer(b""),
        answer(b"<!doctype html><p>Sign in</p>", Content_Type="text/html"),
        answer(b"[]"),
        answer(b"null"),
        answer(b'"text"'),
        answer(b"7"),
        answer(b"{"),
        answer(b"{} {}"),
        answer(b"{'a': 1}"),
        answer(b'{"a": "\xff"}'),
        answer(b"\xef\xbb\xbf{}"),
        answer('{"a": 1}'.encode("utf-16")),
        answer(b'{"a": NaN}'),
        answer(b'{"a": -Infinity}'),
        answer(b'{"a": 1e999}'),
        answer(b'{"a": ' + b"9" * 5000 + b"}"),
        answer(b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}"),
        answer(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        answer(b"{}", Content_Encoding="br"),
        answer(b"{}", Content_Encoding="gzip, gzip"),
        answer(b"{}", Content_Encoding="gzip"),
        answer(b"", Content_Encoding="gzip"),
        answer(gzip.compress(b'{"a": 1}')[:-4], Content_Encoding="gzip"),
        answer(gzip.compress(b'{"a": 1}')[:-4] + b"abcd", Content_Encoding="gzip"),
        answer(gzip.compress(b"{}") + b"more", Content_Encoding="gzip"),
        answer(b'{"a": "' + b"x" * MAX_BODY_BYTES + b'"}'),
        chunked(b'{"a": "', *[b"x" * 65536] * 17, b'"}'),
        answer(b" " * MAX_BODY_BYTES + b"{}", Content_Length=None, Connection="close"),
    ],
    ids=lambda data: repr(data[-60:]),
)
def test_a_body_that_is_no_json_object_of_bearable_size_is_a_bad_response(zephr, client, data):
    zephr.fault = sending(data)
    with pytest.raises(ZephrBadResponse):
        client.get_session(KNOWN)
    assert len(zephr.requests) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"garbage",
        b"\r\n\r\n",
        b"\x00\x01\x02\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n: no name\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\rc\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"Content-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + (b"A: " + b"x" * 60_000 + b"\r\n") * 90 + b"\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2, 3\r\n\r\n{} ",
        answer(b"size\r\n{}\r\n0\r\n\r\n", Content_Length=None, Transfer_Encoding="chunked"),
        answer(b"-5\r\n{}\r\n0\r\n\r\n", Content_Length=None, Transfer_Encoding="chunked"),
        answer(b"-1\r\n" + b" " * 5_000_000, Content_Length=None, Transfer_Encoding="chunked"),
        answer(b"2;" + b"x" * 5_000_000, Content_Length=None, Transfer_Encoding="chunked"),
        chunked(b"{}")[:-2] + b"Trailer: 1\r\n" * 500_000,
    ],
    ids=lambda data: repr(data[:60] + data[-20:]),
)
def test_broken_http_is_a_bad_response(zephr, client, data):
    zephr.fault = sending(data)
    with pytest.raises(ZephrBadResponse):
        client.get_session(KNOWN)
    assert len(zephr.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [
        sending(b""),
        sending(b"HTTP/1.1 200 OK\r\n"),
        sending(b"HTTP/1.1 200 OK\r\nContent-Le"),
        sending(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"),
        sending(b"HTTP/1.1 100 Continue\r\n\r\n"),
        sending(answer(b'{"a": 1}', Content_Length=100)),
        sending(answer(gzip.compress(b"{}")[:9], Content_Length=100, Content_Encoding="gzip")),
        sending(chunked(b'{"a": 1}')[:-5]),
        sending(chunked(b'{"a": 1}')[:-10]),
        resetting(b""),
        resetting(b"HTTP/1.1 200 OK\r\nConte"),
        resetting(answer(b'{"a": 1}', Content_Length=100)),
        resetting(chunked(b'{"a": 1}')[:-10]),
    ],
)
def test_an_answer_that_breaks_off_means_unavailable(zephr, client, fault):
    zephr.fault = fault
    with pytest.raises(ZephrUnavailable):
        client.get_session(KNOWN)
    assert len(zephr.requests) == 1


def test_a_refused_connection_means_unavailable(connect):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ZephrUnavailable) as caught:
        connect(f"http://127.0.0.1:{port}").get_session(KNOWN)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


@pytest.mark.parametrize("host", ["does-not-exist.invalid", "a..b", "x" * 64 + ".invalid"])
def test_a_host_that_is_not_found_means_unavailable(connect, host):
    with pytest.raises(ZephrUnavailable):
        connect(f"http://{host}").get_session(KNOWN)


def test_each_address_of_a_host_is_tried(zephr, connect):
    # localhost is ::1 first on most machines, where nothing listens.
    port = zephr.base_url.rpartition(":")[2]
    assert connect(f"http://localhost:{port}").get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]


def test_garbage_in_place_of_tls_means_unavailable(connect):
    garbage = raw_server(lambda connection, stopping: connection.sendall(b"garbage " * 10))
    with garbage as address, pytest.raises(ZephrUnavailable) as caught:
        connect(f"https://{address}").get_session(KNOWN)
    assert isinstance(caught.value.__cause__, OSError)


# Time.


@contextlib.contextmanager
def ends_in_time(seconds):
    start = time.monotonic()
    with pytest.raises(ZephrTimeout):
        yield
    # Generous, for slow machines; a limit that starts anew with every byte would never end.
    assert seconds * 0.9 < time.monotonic() - start < seconds + 3


@pytest.mark.parametrize(
    "fault",
    [
        dripping(b"", b""),
        dripping(b"H"),
        dripping(b"HTTP/1.1 200 O"),
        dripping(b"HTTP/1.1 200 OK\r\nA: b"),
        dripping(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
        dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        dripping(b"HTTP/1.1 100 Continue\r\n", b"A: b\r\n"),
        dripping(answer(b'{"a": "', Content_Length=10_000)),
        dripping(answer(b"", Content_Length=10_000), b""),
        dripping(answer(b"", Content_Length=None, Connection="close")),
        dripping(chunked(b"{")[:-5], b"1\r\n \r\n"),
        dripping(chunked(b"{}")[:-2], b"Trailer: 1\r\n"),
        dripping(answer(b"", Content_Length=10_000, Content_Encoding="gzip"), b""),
    ],
)
def test_an_answer_that_never_ends_is_given_up_in_time(zephr, connect, fault):
    zephr.fault = fault
    client = connect(zephr.base_url, timeout=DRIP_TIMEOUT)
    with ends_in_time(DRIP_TIMEOUT):
        client.get_session(KNOWN)
    assert len(zephr.requests) == 1


def test_an_answer_that_drips_over_a_connection_used_again_is_given_up_in_time(zephr, connect):
    client = connect(zephr.base_url, timeout=1)
    client.get_session(KNOWN)
    zephr.fault = dripping(answer(b"", Content_Length=10_000))
    with ends_in_time(1):
        client.get_session(KNOWN)
    assert len({seen.client for seen in zephr.requests}) == 1


@pytest.mark.parametrize("status", ["404 Not Found", "429 Too Many Requests", "500 Internal Server Error"])
def test_the_body_of_an_error_that_drips_holds_nobody_up(zephr, connect, status):
    zephr.fault = dripping(answer(b"", status, Content_Length=10_000))
    start = time.monotonic()
    with pytest.raises(ZephrError):
        connect(zephr.base_url, timeout=DRIP_TIMEOUT).get_session(KNOWN)
    assert time.monotonic() - start < DRIP_TIMEOUT + 3


def test_after_a_time_out_the_next_call_works(zephr, connect):
    client = connect(zephr.base_url, timeout=1)
    zephr.fault = dripping(b"")
    with ends_in_time(1):
        client.get_session(KNOWN)
    zephr.fault = None
    assert client.get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]


def test_a_call_that_has_no_time_at_all_sends_nothing(zephr, connect):
    with pytest.raises(ZephrTimeout):
        connect(zephr.base_url, timeout=1e-9).get_session(KNOWN)
    assert not zephr.requests


@pytest.fixture
def unreachable():
    """The port of an address to which no connection comes about."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            # Nobody accepts them, so the queue is full and the next one waits.
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_a_connection_that_does_not_come_about_is_given_up_in_its_own_time(connect, unreachable):
    client = connect(f"http://127.0.0.1:{unreachable}", timeout=30, connect_timeout=0.3)
    with ends_in_time(0.3):
        client.get_session(KNOWN)


def test_the_addresses_of_a_host_share_the_time_to_connect(zephr, connect, unreachable, monkeypatch):
    def getaddrinfo(host, port, **kwargs):
        ports = [unreachable, int(zephr.base_url.rpartition(":")[2])]
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)) for port in ports]

    client = connect("http://two-addresses.invalid", connect_timeout=1)
    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        assert client.get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]


def test_a_tls_handshake_that_nobody_answers_counts_as_connecting(connect):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with ends_in_time(0.3):
            connect(f"https://{address}", timeout=30, connect_timeout=0.3).get_session(KNOWN)


def test_connecting_has_no_more_time_than_the_whole_call(connect):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with ends_in_time(0.3):
            connect(f"https://{address}", timeout=0.3, connect_timeout=30).get_session(KNOWN)


# TLS.


@pytest.fixture
def pem(tmp_path):
    path = tmp_path / "tls.pem"
    path.write_text(TLS_KEY_AND_CERTIFICATE)
    return path


@pytest.fixture
def trusting(pem):
    with requests.Session() as session:
        session.verify = str(pem)
        yield session


def tls_server(pem, *answers, drop=b""):
    """A TLS server that gives the answers over one connection, then `drop` again and again."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def handle(connection, stopping):
        with context.wrap_socket(connection, server_side=True) as tls:
            for data in answers:
                tls.recv(65536)
                tls.sendall(data)
            while drop and not stopping.wait(0.05):
                tls.sendall(drop)

    return raw_server(handle)


def test_a_session_comes_over_tls_and_the_connection_is_used_again(connect, pem, trusting):
    with tls_server(pem, answer(b'{"v": 1}'), answer(b'{"v": 2}')) as address:
        client = connect(f"https://{address}", session=trusting)
        assert [client.get_session(KNOWN).v for _ in range(2)] == [1, 2]


def test_a_certificate_that_nobody_vouches_for_means_unavailable(connect, pem):
    with tls_server(pem, answer(b"{}")) as address, pytest.raises(ZephrUnavailable) as caught:
        connect(f"https://{address}").get_session(KNOWN)
    assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nA: ", answer(b"", Content_Length=10_000)]
)
def test_an_answer_that_drips_over_tls_is_given_up_in_time(connect, pem, trusting, data):
    with tls_server(pem, data, drop=b"a") as address:
        client = connect(f"https://{address}", session=trusting, timeout=DRIP_TIMEOUT)
        with ends_in_time(DRIP_TIMEOUT):
            client.get_session(KNOWN)


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\nA: ", answer(b"{", Content_Length=10_000)])
def test_tls_that_turns_into_something_else_means_unavailable(connect, pem, trusting, data):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def handle(connection, stopping):
        tls = context.wrap_socket(connection, server_side=True)
        tls.recv(65536)
        if data:
            tls.sendall(data)
        with socket.socket(fileno=tls.detach()) as bare:
            bare.sendall(b"garbage " * 10)
            stopping.wait(0.2)

    with raw_server(handle) as address, pytest.raises(ZephrUnavailable):
        connect(f"https://{address}", session=trusting).get_session(KNOWN)


# Size and encoding.


@pytest.mark.parametrize(
    "data",
    [
        answer(b'{"v": 1}'),
        answer(b'{"v": 1}', Content_Length=None),
        answer(b'{"v": 1}', Content_Type="text/plain"),
        answer(b'{"v": 1}', Content_Encoding="identity"),
        answer(gzip.compress(b'{"v": 1}'), Content_Encoding="GZIP"),
        answer(gzip.compress(b'{"v": 1}'), Content_Encoding="x-gzip"),
        answer(zlib.compress(b'{"v": 1}'), Content_Encoding="deflate"),
        answer(b'{"v": 1}'.ljust(MAX_BODY_BYTES)),
        answer(gzip.compress(b'{"v": 1}'.ljust(MAX_BODY_BYTES)), Content_Encoding="gzip"),
        answer(b'{"v": 1, "a": ' + b"[" * 99 + b"]" * 99 + b"}"),
        chunked(b'{"v"', b": 1}"),
        b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" + answer(b'{"v": 1}'),
        b"HTTP/1.0 200 OK\r\n\r\n" + b'{"v": 1}',
        answer(b'{"v": 1}', A="\r\n folded"),
    ],
    ids=lambda data: repr(data[:120]),
)
def test_a_session_may_come_in_any_form_that_http_allows(zephr, client, data):
    zephr.fault = sending(data)
    assert client.get_session(KNOWN).v == 1


def test_characters_that_utf_8_cannot_hold_are_kept(zephr, client):
    zephr.fault = sending(answer(b'{"user_id": "\\ud800"}'))
    assert client.get_session(KNOWN).raw == {"user_id": "\ud800"}


def bomb():
    """200 MB of zeros, compressed to 200 kB."""
    compressor = zlib.compressobj(wbits=31)
    return b"".join([compressor.compress(b"\0" * 10**6) for _ in range(200)]) + compressor.flush()


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "404 Not Found"])
def test_a_compressed_bomb_does_not_go_off(zephr, client, status):
    zephr.fault = sending(answer(bomb(), status, Content_Encoding="gzip", Location="/"))
    tracemalloc.start()
    try:
        with pytest.raises(ZephrSessionNotFound if status[0] == "4" else ZephrBadResponse):
            client.get_session(KNOWN)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


# Secrets.


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 500 ECHO\r\n\r\nECHO",
        b"HTTP/1.1 401 ECHO\r\n\r\nECHO",
        b"HTTP/1.1 404 ECHO\r\n\r\nECHO",
        b"HTTP/1.1 429 ECHO\r\nRetry-After: ECHO\r\n\r\nECHO",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/ECHO\r\n\r\nECHO",
        b"ECHO\r\n",
        b"ECHO",
        b"ECHO 200 OK\r\n\r\n",
        b"HTTP/ECHO 200 OK\r\n\r\n",
        b"HTTP/1.1 ECHO\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nECHO\r\nECHO\r\n\r\nECHO",
        b"HTTP/1.1 200 OK\r\nA: ECHO",
        b"HTTP/1.1 200 OK\r\nContent-Length: ECHO, 7\r\n\r\nECHO",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6, 7\r\n\r\nECHO",
        b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\nECHO",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: ECHO\r\n\r\nECHO",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nECHO",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nECHO\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n200\r\nECHO",
        b"HTTP/1.1 200 OK\r\n\r\nECHO",
        b"HTTP/1.1 200 OK\r\n\r\n[ECHO]",
        b"HTTP/1.1 200 OK\r\n\r\n\xff ECHO",
        b'HTTP/1.1 200 OK\r\n\r\n["ECHO"]',
        b'HTTP/1.1 200 OK\r\n\r\n{"ECHO": NaN}',
    ],
)
def test_no_error_and_no_log_line_holds_a_key_a_signature_or_what_zephr_said(zephr, client, caplog, data):
    caplog.set_level(logging.DEBUG)

    def echo(handler):
        said = handler.headers["Authorization"].encode() + b" upstream-words"
        handler.connection.sendall(data.replace(b"ECHO", said))

    zephr.fault = echo
    with pytest.raises(ZephrError) as caught:
        client.get_session(KNOWN)
    said = everything_said(caught.value)
    said += "".join(record.getMessage() + repr(vars(record)) for record in caplog.records)
    for secret in (SECRET_KEY, ACCESS_KEY, signature(zephr), "upstream-words"):
        assert secret not in said


def test_a_failure_keeps_the_words_of_the_system_and_nothing_of_the_request(connect, caplog):
    caplog.set_level(logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ZephrUnavailable) as caught:
        connect(f"http://127.0.0.1:{port}").get_session(KNOWN)
    cause = caught.value.__cause__
    assert isinstance(cause, ConnectionRefusedError)
    assert cause.__traceback__ is None
    assert caught.value.__context__ is None
    assert KNOWN not in everything_said(caught.value)
    assert SECRET_KEY not in caplog.text


def test_the_repr_shows_the_base_url_alone(connect):
    assert repr(connect("https://acme.api.zephr.com/")) == "<ZephrClient https://acme.api.zephr.com>"


def test_the_answer_is_what_json_makes_of_it(zephr, client):
    content = {"a": [1, 2.5, True, None, "ü", {"b": {}}]}
    zephr.fault = sending(answer(json.dumps(content).encode()))
    assert client.get_session(KNOWN).raw == content


def test_a_name_that_is_resolved_too_late_is_a_time_out(monkeypatch):
    done = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: done.wait(10) and [])
    client = ZephrClient("http://zephr.example", "access", "secret", timeout=0.3)
    with contextlib.closing(client), pytest.raises(ZephrTimeout):
        client.get_session("x")
    done.set()
