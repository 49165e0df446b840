import hashlib
import http.client
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from project.zephr_demo_sessions import DEMO_SESSIONS
from project.zephr_stand_in import ZephrStandIn

ACCESS_KEY, SECRET_KEY = "stand-in-access", "stand-in-secret"
NOW = 1770541740.685
KNOWN = next(iter(DEMO_SESSIONS))
FIELDS = {
    "tenantId",
    "subTenantId",
    "authenticated",
    "v",
    "session_variables",
    "user_id",
    "sessions",
    "access_model",
    "last_updated",
    "test_groups",
    "second_party_data",
}


class Clock:
    """A clock that stands still until it is set."""

    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stand_in(clock):
    with ZephrStandIn(ACCESS_KEY, SECRET_KEY, clock=clock) as server:
        yield server


def ask(server, path=f"/v3/sessions/{KNOWN}", query="", header=None, **changed):
    """Send a signed request, of which parts may differ from what is signed; gives status and JSON."""
    parts = {"secret_key": SECRET_KEY, "access_key": ACCESS_KEY, "timestamp": int(NOW * 1000), "nonce": "n"}
    parts |= {"signed_path": path, "signed_query": query, "method": "GET"} | changed
    signed = "".join(str(parts[name]) for name in ("secret_key", "signed_path", "signed_query", "method"))
    digest = hashlib.sha256(f"{signed}{parts['timestamp']}{parts['nonce']}".encode()).hexdigest()
    if header is None:
        credential = f"{parts['access_key']}:{parts['timestamp']}:{parts['nonce']}"
        header = f"ZEPHR-HMAC-SHA256 {credential}:{digest}"
    connection = http.client.HTTPConnection(urlsplit(server.base_url).netloc, timeout=10)
    try:
        connection.request("GET", f"{path}?{query}" if query else path, headers={"Authorization": header})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_a_signed_request_gets_the_session(stand_in):
    assert ask(stand_in) == (200, DEMO_SESSIONS[KNOWN])


def test_the_query_belongs_to_the_signature(stand_in):
    assert ask(stand_in, query="a=%20b")[0] == 200


def test_the_path_counts_as_it_was_on_the_wire(stand_in):
    assert ask(stand_in, path=f"/v3/sessions/{KNOWN.replace('2', '%32')}")[0] == 200
    assert ask(stand_in, path=f"//v3/sessions/{KNOWN}", nonce="2")[0] == 404
    assert [seen.path for seen in stand_in.requests] == [
        f"/v3/sessions/{KNOWN.replace('2', '%32')}",
        f"//v3/sessions/{KNOWN}",
    ]


@pytest.mark.parametrize(
    "path", ["/v3/sessions/nobody", "/v3/sessions/", "/v3/sessions/%FF", "/", "/v3/users/1"]
)
def test_what_it_does_not_know_is_a_404(stand_in, path):
    status, body = ask(stand_in, path=path)
    assert (status, set(body)) == (404, {"message"})


@pytest.mark.parametrize(
    "change",
    [
        {"access_key": "someone-else"},
        {"secret_key": "guessed"},
        {"signed_path": "/v3/sessions/other"},
        {"signed_query": "a=b"},
        {"method": "POST"},
        {"nonce": ""},
        {"timestamp": int(NOW * 1000) - 301_000},
        {"timestamp": int(NOW * 1000) + 301_000},
        {"timestamp": "soon"},
        {"timestamp": "9" * 5000},
        {"header": ""},
        {"header": "Bearer token"},
        {"header": "ZEPHR-HMAC-SHA256 a:b"},
        {"header": f"ZEPHR-HMAC-SHA256 {ACCESS_KEY}:{int(NOW * 1000)}:n:é"},
        {"header": "ZEPHR-HMAC-SHA256 é:1:n:0"},
    ],
    ids=str,
)
def test_a_request_that_is_not_rightly_signed_is_a_401(stand_in, change):
    status, body = ask(stand_in, **change)
    assert (status, set(body)) == (401, {"message"})


def test_a_timestamp_may_be_a_little_off(stand_in):
    assert ask(stand_in, timestamp=int(NOW * 1000) - 299_000)[0] == 200


def test_a_nonce_is_good_once(stand_in):
    assert [ask(stand_in, nonce=nonce)[0] for nonce in ("1", "2", "1")] == [200, 200, 401]


def test_a_forged_request_does_not_use_up_a_nonce(stand_in):
    assert ask(stand_in, secret_key="guessed")[0] == 401
    assert ask(stand_in)[0] == 200


def test_a_nonce_is_forgotten_when_its_timestamp_is_too_old_anyway(stand_in, clock):
    assert ask(stand_in, nonce="old")[0] == 200
    clock.now = NOW + 601
    assert ask(stand_in, nonce="old")[0] == 401
    assert ask(stand_in, nonce="new", timestamp=int(clock.now * 1000))[0] == 200
    assert list(stand_in._nonces) == ["new"]


def test_it_takes_note_of_what_it_saw(stand_in):
    ask(stand_in, query="q=1")
    (seen,) = stand_in.requests
    assert (seen.method, seen.path) == ("GET", f"/v3/sessions/{KNOWN}?q=1")
    assert seen.headers["Authorization"].startswith(f"ZEPHR-HMAC-SHA256 {ACCESS_KEY}:")
    assert seen.client[0] == "127.0.0.1"


def test_it_remembers_a_bounded_number_of_requests(stand_in):
    assert stand_in.requests.maxlen


def test_its_sessions_can_be_given():
    with ZephrStandIn(ACCESS_KEY, SECRET_KEY, {"ä/ö": {"a": 1}}, clock=Clock()) as server:
        assert ask(server, path="/v3/sessions/%C3%A4%2F%C3%B6") == (200, {"a": 1})


@pytest.mark.parametrize("session_id", DEMO_SESSIONS)
def test_a_demo_session_has_all_fields_of_the_reference_page(session_id):
    session = DEMO_SESSIONS[session_id]
    assert FIELDS - {"user_id"} <= set(session) <= FIELDS  # an anonymous one has no user
    assert session["sessions"][0]["session_id"] == session_id


def test_it_stops_though_a_connection_is_open_and_a_fault_does_not_end():
    with ZephrStandIn(ACCESS_KEY, SECRET_KEY) as server:
        server.fault = lambda handler: server.stopping.wait()
        address = urlsplit(server.base_url)
        idle = http.client.HTTPConnection(address.netloc, timeout=10)
        idle.connect()
        waiting = http.client.HTTPConnection(address.netloc, timeout=10)
        waiting.request("GET", "/")
        while not server.requests:
            time.sleep(0.01)
        start = time.monotonic()
    assert time.monotonic() - start < 5
    idle.close()
    waiting.close()


def test_a_fault_of_its_own_is_reported_and_a_client_that_goes_away_is_not(capsys):
    def reset(handler):
        raise ConnectionResetError

    def bug(handler):
        raise RuntimeError("a bug in a test")

    with ZephrStandIn(ACCESS_KEY, SECRET_KEY) as server:
        for fault in (reset, bug):
            server.fault = fault
            with pytest.raises(http.client.RemoteDisconnected):
                ask(server)
    err = capsys.readouterr().err
    assert "a bug in a test" in err
    assert "ConnectionResetError" not in err


def test_its_repr_holds_no_key(stand_in):
    assert repr(stand_in) == f"<ZephrStandIn {stand_in.base_url}>"


def test_it_runs_by_itself_until_interrupted_and_prints_no_key():
    command = [sys.executable, "-m", "project.zephr_stand_in", "--port", "0"]
    command += ["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        lines = [process.stdout.readline().strip() for _ in range(1 + len(DEMO_SESSIONS))]
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate(timeout=30)
    assert lines[0].startswith("Zephr stand-in at http://127.0.0.1:")
    assert lines[1:] == list(DEMO_SESSIONS)
    assert (rest, err, process.returncode) == ("", "", 0)
    assert not any(key in line for key in (ACCESS_KEY, SECRET_KEY) for line in lines)
