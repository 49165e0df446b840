"""A request over HTTP/2 in the clear, and its answer as it comes."""

import socket

import h2.config
import h2.connection
import h2.events

from .client import TIMEOUT, Answer, Headers
from .processes import NotRight


def over_http2(port: int, method: str, path: str, headers: Headers = ()) -> Answer:
    """Send a request without a body over HTTP/2 in the clear, on a connection of its own."""
    # As it comes: what is wrong with a header is to be seen, not refused.
    config = h2.config.H2Configuration(
        header_encoding="utf-8", validate_inbound_headers=False, normalize_inbound_headers=False
    )
    connection = h2.connection.H2Connection(config)
    pseudo = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "127.0.0.1")]
    sent = [*pseudo, *((name.lower(), text) for name, text in headers)]
    asked = f"{method} {path} (HTTP/2)"
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT) as wire:
            connection.initiate_connection()
            connection.send_headers(1, sent, end_stream=True)
            wire.sendall(connection.data_to_send())
            return _answer(asked, connection, wire)
    except OSError as error:
        raise NotRight(f"> {asked}\nno answer: {error!r}") from error


def _answer(asked: str, connection: "h2.connection.H2Connection", wire: socket.socket) -> Answer:
    headers: list[tuple[str, str]] = []
    body = b""
    while data := wire.recv(65536):
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                headers = [(str(name), str(text)) for name, text in event.headers or []]
            elif isinstance(event, h2.events.DataReceived):
                body += event.data or b""
            elif isinstance(event, h2.events.StreamEnded):
                return Answer(asked, int(dict(headers)[":status"]), headers, body)
        wire.sendall(connection.data_to_send())
    raise NotRight(f"> {asked}\nthe connection ended before the answer")
