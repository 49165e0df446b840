"""What a site's own tests put in Zephr's place: `requests-mock` and `responses`, as they come."""

import gzip
import json

import pytest
import requests
import responses
from requests_mock import NoMockAddress

from jay_sessions.exceptions import (
    ZephrBadResponse,
    ZephrSessionNotFound,
    ZephrThrottled,
    ZephrTimeout,
    ZephrUnavailable,
)
from jay_sessions.zephr import gateway

from ..support.zephr_wire import everything_said

pytest_plugins = ["tests.support.zephr_fixtures", "tests.support.zephr_gateway_fixtures"]

# Nobody listens there: whatever gets past the mock fails.
BASE_URL = "https://acme.api.zephr.invalid"
URL = f"{BASE_URL}/v3/sessions/one"


class ByRequestsMock:
    def __init__(self, mocker):
        self._mocker = mocker

    def answer(self, status=200, body=b"{}", headers=None):
        self._mocker.get(URL, status_code=status, content=body, headers=headers or {})

    def fail(self, error):
        self._mocker.get(URL, exc=error)

    def requests(self):
        return self._mocker.request_history


class ByResponses:
    def __init__(self, mock):
        self._mock = mock

    def answer(self, status=200, body=b"{}", headers=None):
        self._mock.get(URL, status=status, body=body, headers=headers)

    def fail(self, error):
        self._mock.get(URL, body=error)

    def requests(self):
        return [call.request for call in self._mock.calls]


@pytest.fixture(params=["requests-mock", "responses"])
def mock(request):
    if request.param == "requests-mock":
        yield ByRequestsMock(request.getfixturevalue("requests_mock"))
        return
    with responses.RequestsMock() as mock:
        yield ByResponses(mock)


def test_an_answer_comes_from_the_mock_and_the_request_is_signed(mock, connect):
    mock.answer(body=json.dumps({"user_id": "ada"}).encode())
    attempts = []
    client = connect(BASE_URL, observe=attempts.append)
    assert [client.get_session("one").user_id for _ in range(2)] == ["ada", "ada"]
    assert len({request.headers["Authorization"] for request in mock.requests()}) == 2
    assert [(attempt.outcome, attempt.status) for attempt in attempts] == [("OK", 200)] * 2


def test_the_gateway_asks_the_mock_even_if_it_had_asked_zephr_before(mock, set_zephr):
    set_zephr(BASE_URL, CACHE_TIMEOUT=0)
    gateway._process(gateway.conf.get().zephr)
    mock.answer(body=b'{"user_id": "ada"}')
    assert gateway.get_session("one").user_id == "ada"
    assert len(mock.requests()) == 1


def test_the_endpoint_answers_what_the_mock_says(mock, api, set_zephr):
    set_zephr(BASE_URL)
    mock.answer(body=b'{"user_id": "ada"}')
    assert api.get("/v3/sessions/one").json() == {"user_id": "ada"}


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (404, {}, ZephrSessionNotFound),
        (429, {"Retry-After": "7"}, ZephrThrottled),
        (500, {}, ZephrUnavailable),
        (302, {"Location": "https://elsewhere.invalid/"}, ZephrBadResponse),
        (204, {}, ZephrBadResponse),
    ],
)
def test_a_status_of_the_mock_means_what_it_means_to_zephr(mock, connect, status, headers, expected):
    mock.answer(status, b"", headers)
    with pytest.raises(expected):
        connect(BASE_URL, max_attempts=1).get_session("one")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (requests.ConnectTimeout("too late"), ZephrTimeout),
        (requests.ReadTimeout("too late"), ZephrTimeout),
        (requests.ConnectionError("nobody there"), ZephrUnavailable),
        (requests.exceptions.SSLError("bad certificate"), ZephrUnavailable),
        (requests.exceptions.ProxyError("no way out"), ZephrUnavailable),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_exception_of_the_mock_means_what_it_means_to_zephr(mock, connect, error, expected, caplog):
    mock.fail(error)
    with pytest.raises(expected) as caught:
        connect(BASE_URL, max_attempts=1).get_session("one")
    assert str(error) in str(caught.value.__cause__) or expected is ZephrTimeout
    assert "ZEPHR-HMAC" not in everything_said(caught.value, caplog)


def test_a_request_that_the_mock_does_not_expect_is_told_to_whoever_tests(mock, connect):
    mock.answer()
    connect(BASE_URL).get_session("one")
    with pytest.raises((ZephrUnavailable, NoMockAddress)) as caught:
        connect(BASE_URL).get_session("two")
    assert "/v3/sessions/two" in str(caught.value.__cause__ or caught.value)


def test_a_compressed_answer_of_the_mock_is_read(mock, connect):
    mock.answer(body=gzip.compress(b'{"user_id": "ada"}'), headers={"Content-Encoding": "gzip"})
    assert connect(BASE_URL).get_session("one").user_id == "ada"


def test_no_cookie_of_the_mock_is_kept(mock, connect):
    mock.answer(headers={"Set-Cookie": "tracking=1; Path=/"})
    client = connect(BASE_URL)
    client.get_session("one")
    client.get_session("one")
    assert "Cookie" not in mock.requests()[1].headers
