"""A body that never ends holds nobody up for long, where the web server lets the app see to it."""

import contextlib
import socket
import ssl
import threading
import time

import pytest

from jay_sessions.api import slow_bodies

from ..conftest import PATH
from ..support import servers

WITH_A_BODY = {"CONTENT_LENGTH": "60000"}
LENGTH, CHUNKED = "Content-Length: 60000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nffff\r\n"


@pytest.fixture
def pair():
    with contextlib.ExitStack() as stack:
        yield tuple(stack.enter_context(one) for one in socket.socketpair())


def test_a_read_ends_in_time_and_an_answer_can_still_be_sent(pair, monkeypatch):
    monkeypatch.setattr(slow_bodies, "TIMEOUT", 0.3)
    ours, clients = pair
    stopped = threading.Event()

    def drip():
        while not stopped.wait(0.05):
            # Once its side is shut down, what is still sent is refused.
            with contextlib.suppress(OSError):
                clients.sendall(b" ")

    dripping = threading.Thread(target=drip)
    dripping.start()
    received = b""
    with slow_bodies.bounded({"gunicorn.socket": ours, **WITH_A_BODY}):
        while chunk := ours.recv(100):
            received += chunk
    stopped.set()
    dripping.join()
    assert received.strip() == b""
    ours.sendall(b"422")
    assert clients.recv(10) == b"422"


def test_a_body_that_has_come_leaves_the_connection_alone(pair, monkeypatch):
    monkeypatch.setattr(slow_bodies, "TIMEOUT", 0.2)
    ours, clients = pair
    clients.sendall(b"body")
    with slow_bodies.bounded({"gunicorn.socket": ours, **WITH_A_BODY}):
        assert ours.recv(4) == b"body"
    time.sleep(0.5)
    clients.sendall(b"next")
    assert ours.recv(4) == b"next"


def test_a_connection_that_is_gone_meanwhile_is_no_fault(pair, monkeypatch):
    monkeypatch.setattr(slow_bodies, "TIMEOUT", 0.05)
    ours, _ = pair
    with slow_bodies.bounded({"gunicorn.socket": ours, **WITH_A_BODY}):
        ours.close()
        time.sleep(0.3)


def test_tls_stays_on_for_the_answer(pair):
    ours, _ = pair
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with context.wrap_socket(ours, server_side=True, do_handshake_on_connect=False) as encrypted:
        slow_bodies._shut(encrypted)
        assert encrypted._sslobj is not None


@pytest.mark.parametrize("environ", [{}, {"gunicorn.socket": None}, {"gunicorn.socket": object()}])
def test_without_a_socket_there_is_nothing_to_bound(environ):
    before = threading.active_count()
    with slow_bodies.bounded(environ):
        assert threading.active_count() == before


def test_a_request_that_cannot_have_a_body_starts_no_thread(pair):
    before = threading.active_count()
    with slow_bodies.bounded({"gunicorn.socket": pair[0], "SERVER_PROTOCOL": "HTTP/1.1"}):
        assert threading.active_count() == before


@pytest.mark.server
def test_under_gunicorn_all_threads_are_free_again(tmp_path):
    with servers.running("gunicorn", tmp_path) as server, contextlib.ExitStack() as stack:
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {server.key}\r\n"
        held = []
        # As many as it has threads, some of which keep it busy by a byte now and then.
        for number in range(8):
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=100)
            held.append(stack.enter_context(connection))
            rest = CHUNKED if number % 3 == 2 else LENGTH
            connection.sendall(f"{head}Content-Type: application/json\r\n{rest}{{".encode())
        stopped = threading.Event()

        def drip():
            while not stopped.wait(1):
                for connection in held[::2]:
                    with contextlib.suppress(OSError):
                        connection.sendall(b" ")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            for connection in held:
                assert connection.recv(12) == b"HTTP/1.1 422"
        finally:
            stopped.set()
            dripping.join()
        with contextlib.closing(server.connect()) as connection:
            connection.request("POST", PATH, headers={"X-API-Key": server.key})
            assert connection.getresponse().status == 200
