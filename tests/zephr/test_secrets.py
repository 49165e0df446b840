"""No error and no log line of the client gives anything away."""

import contextlib
import logging
import socket

import pytest
import requests

from jay_sessions.exceptions import ZephrError, ZephrUnavailable

from ..support.zephr_wire import ACCESS_KEY, KNOWN, SECRET_KEY, credentials_of, everything_said, sending

pytest_plugins = ["tests.support.zephr_fixtures"]


@pytest.mark.parametrize("status", [200, 404, 500])
def test_whatever_is_logged_of_a_call_does_not_hold_the_id(zephr, zephr_client, caplog, status):
    for name in (None, "urllib3", "urllib3.connectionpool", "requests"):
        caplog.set_level(logging.DEBUG, logger=name)
    if status == 500:
        zephr.fault = sending(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")
    with contextlib.nullcontext() if status == 200 else pytest.raises(ZephrError):
        zephr_client.get_session(KNOWN if status != 404 else "nobody-has-this-id")
    assert zephr.requests
    for session_id in (KNOWN, "nobody-has-this-id"):
        assert session_id not in caplog.text


def test_what_others_ask_is_still_logged(zephr, caplog):
    caplog.set_level(logging.DEBUG, logger="urllib3")
    requests.get(f"{zephr.base_url}/elsewhere", timeout=10)
    assert "/elsewhere" in caplog.text


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
def test_no_error_and_no_log_line_holds_a_key_a_signature_or_what_zephr_said(
    zephr, zephr_client, caplog, data
):
    caplog.set_level(logging.DEBUG)

    def echo(handler):
        said = handler.headers["Authorization"].encode() + b" upstream-words"
        handler.connection.sendall(data.replace(b"ECHO", said))

    zephr.fault = echo
    with pytest.raises(ZephrError) as caught:
        zephr_client.get_session(KNOWN)
    said = everything_said(caught.value, caplog)
    signatures = [signature for *_, signature in credentials_of(zephr)]
    assert signatures
    for secret in (SECRET_KEY, ACCESS_KEY, *signatures, "upstream-words"):
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
    assert SECRET_KEY not in everything_said(caught.value, caplog)
