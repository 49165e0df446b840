"""What the client makes of an answer that came in full."""

import datetime
import gzip
import json
import tracemalloc
import zlib

import pytest

from jay_sessions.exceptions import (
    ZephrBadResponse,
    ZephrError,
    ZephrSessionNotFound,
    ZephrThrottled,
    ZephrUnavailable,
)
from jay_sessions.zephr.answers import MAX_BODY_BYTES
from project.zephr_stand_in import ZephrStandIn

from ..support.zephr_faults import BOMB
from ..support.zephr_wire import ACCESS_KEY, KNOWN, SECRET_KEY, answer, chunked, sending

pytest_plugins = ["tests.support.zephr_fixtures"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("501 Not Implemented", ZephrUnavailable),
        ("504 Gateway Timeout", ZephrUnavailable),
        ("505 HTTP Version Not Supported", ZephrUnavailable),
        ("599 Who Knows", ZephrUnavailable),
        ("103 Early Hints", ZephrBadResponse),
        ("201 Created", ZephrBadResponse),
        ("206 Partial Content", ZephrBadResponse),
        ("302 Found", ZephrBadResponse),
        ("304 Not Modified", ZephrBadResponse),
        ("307 Temporary Redirect", ZephrBadResponse),
        ("400 Bad Request", ZephrBadResponse),
        ("410 Gone", ZephrBadResponse),
        ("422 Unprocessable Content", ZephrBadResponse),
        ("600 Beyond", ZephrBadResponse),
    ],
)
def test_each_status_that_the_table_of_faults_leaves_out_has_one_meaning(zephr, one_try, status, expected):
    zephr.fault = sending(answer(b'{"user_id": "none"}', status))
    with pytest.raises(ZephrError) as caught:
        one_try.get_session(KNOWN)
    assert type(caught.value) is expected
    assert len(zephr.requests) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"RateLimit_Reset": "30"}, 30),
        ({"RateLimit_Limit": "100", "RateLimit_Remaining": "0", "RateLimit_Reset": " 7 "}, 7),
        ({"RateLimit_Reset": "0"}, 1),
        ({"RateLimit_Reset": "999999"}, 3600),
        ({"RateLimit": '"default";r=0;t=30'}, 30),
        ({"RateLimit": '"default"; t=30; r=0'}, 30),
        ({"RateLimit": '"burst";r=0;t=2, "hour";r=00;t=9, "day";r=5;t=50'}, 9),
        ({"RateLimit_Reset": "soon", "RateLimit": '"default";r=0;t=4'}, 4),
        ({"Retry_After": "3", "RateLimit_Reset": "30", "RateLimit": '"default";r=0;t=30'}, 3),
        ({"Retry_After": "soon", "RateLimit_Reset": "30"}, 30),
        ({"RateLimit_Reset": "-1"}, None),
        ({"RateLimit_Reset": "1.5"}, None),
        ({"RateLimit_Reset": "9" * 400}, None),
        ({"RateLimit_Reset": "\xb2"}, None),
        ({"RateLimit_Reset": "30", "X_RateLimit_Reset": "1"}, 30),
        ({"X_RateLimit_Reset": "1764400000"}, None),
        ({"RateLimit": '"default";r=1;t=30'}, None),
        ({"RateLimit": '"default";r=0'}, None),
        ({"RateLimit": '"default";r=0;t=x'}, None),
        ({"RateLimit": ";" * 1000 + "t="}, None),
    ],
)
def test_the_end_of_a_limit_counts_where_zephr_does_not_say_how_long_to_wait(
    zephr, one_try, headers, seconds
):
    zephr.fault = sending(answer(b"", "429 Too Many Requests", **headers))
    with pytest.raises(ZephrThrottled) as caught:
        one_try.get_session(KNOWN)
    assert caught.value.retry_after == seconds


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
        connect(zephr.base_url, clock=lambda: new_year, max_attempts=1).get_session(KNOWN)
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    "header", [None, "", "soon", "-5", "1.5", "²", "Mon, 99 Foo 2026 99:00:00 GMT", "1 A"]
)
def test_a_throttling_zephr_may_name_no_time(zephr, zephr_client, header):
    zephr.fault = sending(answer(b"", "429 Too Many Requests", Retry_After=header))
    with pytest.raises(ZephrThrottled) as caught:
        zephr_client.get_session(KNOWN)
    assert caught.value.retry_after is None


def test_a_redirect_is_not_followed(zephr, zephr_client):
    with ZephrStandIn(ACCESS_KEY, SECRET_KEY) as other:
        bomb = gzip.compress(b"\0" * 10**6, mtime=0)
        headers = {"Location": f"{other.base_url}/v3/sessions/{KNOWN}", "Content_Encoding": "gzip"}
        zephr.fault = sending(answer(bomb, "301 Moved Permanently", **headers))
        with pytest.raises(ZephrBadResponse):
            zephr_client.get_session(KNOWN)
        assert not other.requests


@pytest.mark.parametrize(
    "data",
    [
        answer(b'{"v": 1}'),
        answer(b'{"v": 1}', Content_Length=None),
        answer(b'{"v": 1}', Content_Length="8, 8"),
        answer(b'{"v": 1}', Content_Type="text/plain"),
        answer(b'{"v": 1}', Content_Encoding="identity"),
        answer(gzip.compress(b'{"v": 1}', mtime=0), Content_Encoding="GZIP"),
        answer(gzip.compress(b'{"v": 1}', mtime=0), Content_Encoding="x-gzip"),
        answer(zlib.compress(b'{"v": 1}'), Content_Encoding="deflate"),
        answer(b'{"v": 1}'.ljust(MAX_BODY_BYTES)),
        answer(gzip.compress(b'{"v": 1}'.ljust(MAX_BODY_BYTES), mtime=0), Content_Encoding="gzip"),
        answer(b'{"v": 1, "a": ' + b"[" * 99 + b"]" * 99 + b"}"),
        chunked(b'{"v"', b": 1}"),
        b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" + answer(b'{"v": 1}'),
        b"HTTP/1.0 200 OK\r\n\r\n" + b'{"v": 1}',
        answer(b'{"v": 1}', A="\r\n folded"),
    ],
    ids=lambda data: repr(data[:120]),
)
def test_a_session_may_come_in_any_form_that_http_allows(zephr, zephr_client, data):
    zephr.fault = sending(data)
    assert zephr_client.get_session(KNOWN).v == 1


def test_the_answer_is_what_json_makes_of_it(zephr, zephr_client):
    content = {"a": [1, 2.5, True, None, "ü", {"b": {}}]}
    zephr.fault = sending(answer(json.dumps(content).encode()))
    assert zephr_client.get_session(KNOWN).raw == content


def test_characters_that_utf_8_cannot_hold_are_kept(zephr, zephr_client):
    zephr.fault = sending(answer(b'{"user_id": "\\ud800"}'))
    assert zephr_client.get_session(KNOWN).raw == {"user_id": "\ud800"}


@pytest.mark.parametrize(
    "data",
    [
        answer(b"null"),
        answer(b'"text"'),
        answer(b"7"),
        answer(b"{"),
        answer(b"{} {}"),
        answer(b"{'a': 1}"),
        answer(b"\xef\xbb\xbf{}"),
        answer('{"a": 1}'.encode("utf-16")),
        answer(b'{"a": -Infinity}'),
        answer(b'{"a": 1e999}'),
        answer(b'{"a": ' + b"9" * 5000 + b"}"),
        answer(b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}"),
        answer(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        answer(b"{}", Content_Encoding="br"),
        answer(b"{}", Content_Encoding="gzip, gzip"),
        answer(b"{}", Content_Encoding="gzip"),
        answer(b"", Content_Encoding="gzip"),
        answer(gzip.compress(b'{"a": 1}', mtime=0)[:-4], Content_Encoding="gzip"),
        answer(gzip.compress(b'{"a": 1}', mtime=0)[:-4] + b"abcd", Content_Encoding="gzip"),
        answer(gzip.compress(b"{}", mtime=0) + b"more", Content_Encoding="gzip"),
        answer(b'{"a": "' + b"x" * MAX_BODY_BYTES + b'"}'),
        chunked(b'{"a": "', *[b"x" * 65536] * 17, b'"}'),
        answer(b" " * MAX_BODY_BYTES + b"{}", Content_Length=None, Connection="close"),
    ],
    ids=lambda data: repr(data[-60:]),
)
def test_a_body_that_is_no_json_object_of_bearable_size_is_a_bad_response(zephr, zephr_client, data):
    zephr.fault = sending(data)
    with pytest.raises(ZephrBadResponse):
        zephr_client.get_session(KNOWN)
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
        b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n{}",
        answer(b"size\r\n{}\r\n0\r\n\r\n", Content_Length=None, Transfer_Encoding="chunked"),
        answer(b"-5\r\n{}\r\n0\r\n\r\n", Content_Length=None, Transfer_Encoding="chunked"),
        answer(b"-1\r\n" + b" " * 5_000_000, Content_Length=None, Transfer_Encoding="chunked"),
        answer(b"2;" + b"x" * 5_000_000, Content_Length=None, Transfer_Encoding="chunked"),
        chunked(b"{}")[:-2] + b"Trailer: 1\r\n" * 500_000,
    ],
    ids=lambda data: repr(data[:60] + data[-20:]),
)
def test_broken_http_is_a_bad_response(zephr, zephr_client, data):
    zephr.fault = sending(data)
    with pytest.raises(ZephrBadResponse):
        zephr_client.get_session(KNOWN)
    assert len(zephr.requests) == 1


@pytest.mark.parametrize("status", ["302 Found", "404 Not Found"])
def test_a_compressed_bomb_does_not_go_off(zephr, zephr_client, status):
    zephr.fault = sending(answer(BOMB, status, Content_Encoding="gzip", Location="/"))
    tracemalloc.start()
    try:
        with pytest.raises(ZephrSessionNotFound if status[0] == "4" else ZephrBadResponse):
            zephr_client.get_session(KNOWN)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()
