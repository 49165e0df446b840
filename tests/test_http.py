"""Cookies as web servers hand them over, and as answers have them.

Over HTTP/2 they come in fields of their own, joined by each server in its way.
"""

import copy
import datetime
import pickle
from http.cookies import SimpleCookie

import pytest
import time_machine
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.test import AsyncRequestFactory, RequestFactory

from jay_sessions import http, sessions
from jay_sessions.models import TrackingSession

from .conftest import COOKIE, EXAMPLE_TOKEN, PATH, PLAYOUT, members_of, token_of
from .support.lane_requests import environ

pytestmark = pytest.mark.django_db

NOON = datetime.datetime(2025, 9, 2, 12, tzinfo=datetime.UTC)

JOINED = [",", ", ", ";", "; "]
"""How gunicorn, waitress and uWSGI, Granian, and RFC 9113 join the fields."""


@pytest.fixture
def started(api):
    """The tokens of three sessions, the one that started last in the middle, and its id."""
    tokens = []
    for minute in (1, 3, 2):
        with time_machine.travel(NOON + datetime.timedelta(minutes=minute), tick=False):
            tokens.append(token_of(api.post(PATH)))
    api.cookies.clear()
    return tokens, members_of(tokens[1])["session_id"]


def asked(api, *, header=None, **cookies):
    headers = {} if header is None else {"X-JAY-TRACKING": header}
    return api.get(PATH, headers=headers, **cookies)


@pytest.mark.parametrize("joined", JOINED)
@pytest.mark.parametrize("form", ["{name}={token}", '{name}="{token}"', " {name} = {token} "])
def test_a_cookie_is_found_among_others_however_the_server_joins_the_fields(api, joined, form):
    token = token_of(api.post(PATH))
    api.cookies.clear()
    ours = form.format(name=COOKIE, token=token)
    for fields in (["a=1", ours, "b=2"], ["a=1; c=3", ours], [ours, 'd="x,y"; e={"f":1,"g":[2,3]}'], [ours]):
        response = api.get(PATH, HTTP_COOKIE=joined.join(fields))
        assert response.status_code == 200, fields
        assert response.json()["data"]["sessionId"] == members_of(token)["session_id"]


@pytest.mark.parametrize("joined", JOINED)
def test_delete_ends_the_session_of_a_cookie_however_the_server_joins_the_fields(api, joined):
    token = token_of(api.post(PATH))
    api.cookies.clear()
    response = api.delete(PATH, HTTP_COOKIE=joined.join(["theme=dark", f"{COOKIE}={token}", "lang=de"]))
    assert response.json()["data"]["message"] == "The tracking session has ended."
    assert not TrackingSession.objects.open().exists()


@pytest.mark.parametrize("joined", JOINED)
@pytest.mark.parametrize("form", ["{name}={token}", '{name}="{token}"'])
def test_a_cookie_without_a_name_may_follow(api, joined, form):
    token = token_of(api.post(PATH))
    api.cookies.clear()
    fields = [form.format(name=COOKIE, token=token), "nameless", "b=2"]
    assert api.get(PATH, HTTP_COOKIE=joined.join(fields)).status_code == 200
    assert api.get(PATH, HTTP_COOKIE=joined.join(fields[:2])).status_code == 200


def test_a_comma_within_another_cookie_separates_nothing():
    meta = {"HTTP_COOKIE": 'zephr=a,b; prefs={"x":1,"zephr":2}', "wsgi.version": (1, 0)}
    assert http.cookie(meta, "zephr") == "a,b"


def test_under_asgi_a_comma_belongs_to_the_value():
    # There each field is known, so a value with a comma can be told from two fields.
    meta = {"HTTP_COOKIE": f"a=x,{COOKIE}={EXAMPLE_TOKEN}"}
    assert http.received(meta) == []


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
def test_of_several_valid_cookies_the_session_that_started_last_is_used(api, started, order):
    tokens, newest = started
    cookies = "; ".join(f"{COOKIE}={tokens[number]}" for number in order)
    assert asked(api, HTTP_COOKIE=cookies, header=tokens[2]).json()["data"]["sessionId"] == newest


def test_of_several_cookies_one_whose_session_has_ended_does_not_count(api, started):
    tokens, _ = started
    sessions.end([tokens[1]])
    cookies = "; ".join(f"{COOKIE}={token}" for token in ["garbage", *tokens])
    found = asked(api, HTTP_COOKIE=cookies).json()["data"]["sessionId"]
    assert found == members_of(tokens[2])["session_id"]


def test_without_a_valid_cookie_the_header_is_used(api, started):
    tokens, newest = started
    sessions.end([tokens[0], tokens[2]])
    cookies = f"{COOKIE}={tokens[0]}; {COOKIE}={tokens[2]}"
    assert asked(api, HTTP_COOKIE=cookies, header=tokens[1]).json()["data"]["sessionId"] == newest


def many_ended(count):
    """The value of a Cookie header with so many ended sessions."""
    tokens = [sessions.start(PLAYOUT).encoded for _ in range(count)]
    sessions.end(tokens)
    return "; ".join(f"{COOKIE}={token}" for token in tokens)


def test_a_request_with_many_tokens_costs_sixteen_look_ups(api, django_assert_num_queries):
    cookies = many_ended(40)
    asked(api)
    with django_assert_num_queries(16):
        assert asked(api, HTTP_COOKIE=cookies).status_code == 400


def test_the_header_is_looked_at_beside_many_cookies(api, django_assert_max_num_queries):
    cookies, token = many_ended(40), sessions.start(PLAYOUT).encoded
    asked(api)
    with django_assert_max_num_queries(16):
        assert asked(api, HTTP_COOKIE=cookies, header=token).status_code == 200


def test_delete_ends_sixteen_sessions_at_the_most(api):
    tokens = [sessions.start(PLAYOUT).encoded for _ in range(20)]
    api.delete(PATH, HTTP_COOKIE="; ".join(f"{COOKIE}={token}" for token in tokens))
    assert TrackingSession.objects.ended().count() == 16


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_no_cookie_begins_with_a_space(key, method, connections_stay_open):
    said = []
    asked = environ(method, PATH, HTTP_X_API_KEY=key, HTTP_HOST="localhost")
    WSGIHandler()(asked, lambda status, headers, *exc: said.extend([status, dict(headers)])).close()
    assert said[0] == "200 OK"
    assert said[1]["Set-Cookie"].startswith(f"{COOKIE}=")


def partitioned() -> HttpResponse:
    made = HttpResponse()
    made.set_cookie("a", "1", max_age=60, secure=True, httponly=True, samesite="None")
    made.set_cookie("b", "2")
    http.rewrite_cookie(made.cookies, "a", is_partitioned=True)
    return made


def test_the_cookie_keeps_its_flags_and_the_others_are_not_partitioned():
    a, b = (morsel.OutputString() for morsel in partitioned().cookies.values())
    first, *flags = a.split("; ")
    assert first == "a=1"
    assert {"HttpOnly", "Max-Age=60", "Path=/", "SameSite=None", "Secure"} < set(flags)
    assert flags.count("Partitioned") == 1
    assert b == "b=2; Path=/"


def test_cookies_that_are_made_elsewhere_are_not_partitioned():
    partitioned()
    elsewhere = SimpleCookie({"a": "1"})
    assert elsewhere.output() == "Set-Cookie: a=1"


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_an_answer_that_is_copied_or_cached_keeps_it(again):
    morsel = again(partitioned().cookies["a"])
    assert morsel.OutputString() == partitioned().cookies["a"].OutputString()


def test_nothing_stands_before_the_name_where_a_server_wants_the_value_alone():
    made = HttpResponse()
    made.set_cookie("a", "1")
    http.rewrite_cookie(made.cookies, "a", is_partitioned=False)
    assert made.cookies["a"].output(header="") == "a=1; Path=/"


def test_asgi_is_told_from_wsgi_whatever_else_a_site_puts_on_a_request():
    wsgi, asgi = RequestFactory().get("/"), AsyncRequestFactory().get("/")
    wsgi.scope = {}
    assert [http.is_asgi(request.META) for request in (wsgi, asgi)] == [False, True]


@pytest.mark.parametrize(
    ("meta", "may"),
    [
        ({"SERVER_PROTOCOL": "HTTP/1.1"}, False),
        ({"SERVER_PROTOCOL": "HTTP/1.1", "CONTENT_LENGTH": ""}, False),
        ({"SERVER_PROTOCOL": "HTTP/1.1", "CONTENT_LENGTH": None}, False),
        ({"SERVER_PROTOCOL": "HTTP/1.0", "CONTENT_LENGTH": "0"}, False),
        ({"SERVER_PROTOCOL": "HTTP/1.1", "CONTENT_LENGTH": "2"}, True),
        ({"SERVER_PROTOCOL": "HTTP/1.1", "CONTENT_LENGTH": "x"}, True),
        ({"SERVER_PROTOCOL": "HTTP/1.1", "HTTP_TRANSFER_ENCODING": "chunked"}, True),
        ({"SERVER_PROTOCOL": "HTTP/1.1", "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "0"}, True),
        ({"SERVER_PROTOCOL": "HTTP/2"}, True),
        ({"SERVER_PROTOCOL": "HTTP/2", "CONTENT_LENGTH": "0"}, False),
        ({}, True),
    ],
)
def test_whether_a_request_may_have_a_body_is_in_its_headers(meta, may):
    assert http.may_have_body(meta) is may
