"""Connections of the client: how they come about, break off, and keep to their time."""

import contextlib
import errno
import gzip
import socket
import ssl
import threading
import time

import pytest

from jay_sessions.exceptions import ZephrError, ZephrTimeout, ZephrUnavailable
from jay_sessions.zephr import failures, transport
from project.zephr_demo_sessions import DEMO_SESSIONS

from ..support.zephr_tls import TRUSTED, server_context
from ..support.zephr_wire import (
    DRIP_TIMEOUT,
    KNOWN,
    answer,
    chunked,
    dripping,
    ends_in_time,
    raw_server,
    resetting,
    sending,
)

pytest_plugins = ["tests.support.zephr_fixtures"]


@pytest.mark.parametrize(
    "fault",
    [
        sending(b""),
        sending(b"HTTP/1.1 200 OK\r\n"),
        sending(b"HTTP/1.1 200 OK\r\nContent-Le"),
        sending(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"),
        sending(b"HTTP/1.1 100 Continue\r\n\r\n"),
        sending(answer(gzip.compress(b"{}")[:9], Content_Length=100, Content_Encoding="gzip")),
        sending(chunked(b'{"a": 1}')[:-5]),
        sending(chunked(b'{"a": 1}')[:-10]),
        resetting(b""),
        resetting(b"HTTP/1.1 200 OK\r\nConte"),
        resetting(chunked(b'{"a": 1}')[:-10]),
    ],
)
def test_an_answer_that_breaks_off_means_unavailable(zephr, one_try, fault):
    zephr.fault = fault
    with pytest.raises(ZephrUnavailable):
        one_try.get_session(KNOWN)
    assert len(zephr.requests) == 1


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".invalid"])
def test_a_host_that_can_be_none_means_unavailable_at_once(connect, host):
    attempts = []
    with pytest.raises(ZephrUnavailable):
        connect(f"http://{host}", observe=attempts.append).get_session(KNOWN)
    assert len(attempts) == 1


def test_each_address_of_a_host_is_tried(zephr, connect):
    # localhost is ::1 first on most machines, where nothing listens.
    port = zephr.base_url.rpartition(":")[2]
    assert connect(f"http://localhost:{port}").get_session(KNOWN).raw == DEMO_SESSIONS[KNOWN]


@pytest.mark.parametrize("error", [errno.ECONNRESET, errno.EPIPE, errno.EPROTOTYPE])
def test_a_connection_lost_as_it_is_made_means_unavailable(zephr, one_try, monkeypatch, error):
    # A listener that closes resets what it has not accepted yet.
    def connect(sock, address):
        raise OSError(error, "lost")

    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(ZephrUnavailable) as raised:
        one_try.get_session(KNOWN)
    assert raised.value.__cause__.errno == error


@pytest.mark.parametrize(
    ("error", "may_pass"),
    [
        (OSError(errno.EHOSTUNREACH, "No route to host"), True),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), True),
        (OSError(errno.EMFILE, "Too many open files"), False),
        (ssl.SSLZeroReturnError(), True),
        (ssl.SSLError("wrong version number"), False),
    ],
    ids=repr,
)
def test_a_network_that_is_away_may_come_back(error, may_pass):
    with transport.limited(1, 1) as exchange:
        failure = failures.explain(error, exchange)
    assert (type(failure.error), failure.may_pass) == (ZephrUnavailable, may_pass)


@pytest.mark.parametrize(
    "fault",
    [
        dripping(b"H"),
        dripping(b"HTTP/1.1 200 O"),
        dripping(b"HTTP/1.1 200 OK\r\nA: b"),
        dripping(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
        dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        dripping(b"HTTP/1.1 100 Continue\r\n", b"A: b\r\n"),
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


def test_a_name_that_is_resolved_too_late_is_a_time_out(connect, monkeypatch):
    done = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: done.wait(10) and [])
    with ends_in_time(0.3):
        connect("http://zephr.example", timeout=0.3).get_session(KNOWN)
    done.set()


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


def tls_server(*answers, drop=b""):
    """A TLS server that gives the answers over one connection, then `drop` again and again."""
    context = server_context(TRUSTED)

    def handle(connection, stopping):
        with context.wrap_socket(connection, server_side=True) as tls:
            for data in answers:
                tls.recv(65536)
                tls.sendall(data)
            while drop and not stopping.wait(0.05):
                tls.sendall(drop)

    return raw_server(handle)


def test_a_session_comes_over_tls_and_the_connection_is_used_again(connect, trusting):
    with tls_server(answer(b'{"v": 1}'), answer(b'{"v": 2}')) as address:
        client = connect(f"https://{address}", session=trusting)
        assert [client.get_session(KNOWN).v for _ in range(2)] == [1, 2]


def test_a_certificate_that_nobody_vouches_for_means_unavailable(connect):
    with tls_server(answer(b"{}")) as address, pytest.raises(ZephrUnavailable) as caught:
        connect(f"https://{address}").get_session(KNOWN)
    assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nA: ", answer(b"", Content_Length=10_000)]
)
def test_an_answer_that_drips_over_tls_is_given_up_in_time(connect, trusting, data):
    with tls_server(data, drop=b"a") as address:
        client = connect(f"https://{address}", session=trusting, timeout=DRIP_TIMEOUT)
        with ends_in_time(DRIP_TIMEOUT):
            client.get_session(KNOWN)


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\nA: ", answer(b"{", Content_Length=10_000)])
def test_tls_that_turns_into_something_else_means_unavailable(connect, trusting, data):
    context = server_context(TRUSTED)

    def handle(connection, stopping):
        tls = context.wrap_socket(connection, server_side=True)
        tls.recv(65536)
        if data:
            tls.sendall(data)
        with socket.socket(fileno=tls.detach()) as bare:
            bare.sendall(b"garbage " * 10)
            stopping.wait(0.2)

    with raw_server(handle) as address, pytest.raises(ZephrUnavailable):
        connect(f"https://{address}", session=trusting, max_attempts=1).get_session(KNOWN)
