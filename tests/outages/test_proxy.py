"""The proxy fails as it is told to: what it does wrong would be taken for a fault of the site's."""

import contextlib
import socket
import threading
import time

import pytest

from .proxy import Proxy


class Echo:
    """A server that sends back what it gets, with its name before it."""

    def __init__(self, name: bytes) -> None:
        self.name, self.closed = name, threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=self._listener.accept()[:1], daemon=True).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(1024):
                connection.sendall(self.name + data)
        self.closed.set()


@pytest.fixture
def echo():
    with Echo(b"one ") as server:
        yield server


@pytest.fixture
def proxy(echo):
    with Proxy(echo.address) as running:
        yield running


@contextlib.contextmanager
def connected(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
        yield client


def asked(client):
    """Send something; return the answer, or None where none comes in half a second."""
    client.settimeout(0.5)
    client.sendall(b"hello")
    try:
        return client.recv(1024)
    except TimeoutError:
        return None


def test_what_is_open_falls_silent_and_stays_so_while_new_connections_work(proxy, echo):
    with connected(proxy) as before:
        assert asked(before) == b"one hello"
        assert proxy.silence_open() == 1
        assert asked(before) is None
        with connected(proxy) as after:
            assert asked(after) == b"one hello"
        assert asked(before) is None


def test_a_target_does_not_hear_that_a_silent_connection_was_closed(proxy, echo):
    with connected(proxy) as client:
        assert asked(client) == b"one hello"
        proxy.silence_open()
    assert not echo.closed.wait(0.5)
    with connected(proxy) as client:
        assert asked(client) == b"one hello"
    assert echo.closed.wait(5)


def test_new_connections_are_accepted_and_not_answered_until_it_recovers(proxy):
    proxy.silence_all()
    with connected(proxy) as during:
        assert asked(during) is None
        proxy.recover()
        assert asked(during) is None
        with connected(proxy) as after:
            assert asked(after) == b"one hello"


def test_it_refuses_until_it_recovers(proxy):
    with connected(proxy) as before:
        assert asked(before) == b"one hello"
        proxy.refuse()
        with pytest.raises(ConnectionError):
            asked(before)
        with pytest.raises(ConnectionRefusedError), connected(proxy):
            pass
    proxy.recover()
    with connected(proxy) as after:
        assert asked(after) == b"one hello"


def test_new_connections_are_led_elsewhere(proxy):
    with Echo(b"two ") as other, connected(proxy) as before:
        assert asked(before) == b"one hello"
        proxy.lead_to(other.address)
        assert asked(before) == b"one hello"
        with connected(proxy) as after:
            assert asked(after) == b"two hello"


def test_it_is_slow(proxy):
    proxy.delay = 0.1
    with connected(proxy) as client:
        began = time.monotonic()
        assert asked(client) == b"one hello"
        assert time.monotonic() - began >= 0.2
