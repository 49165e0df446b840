"""`request.tracking_session` in a site's own views, sync and async."""

import asyncio

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError
from django.http import HttpResponse
from django.template import Context, Template
from django.test import AsyncRequestFactory, RequestFactory

from jay_sessions import sessions
from jay_sessions.middleware import TrackingSessionMiddleware

from .conftest import COOKIE, PLAYOUT, dead_database, store_down, unsigned

pytestmark = pytest.mark.django_db


def requested(**headers):
    """A request as a view gets it, with these headers."""
    seen = []
    middleware = TrackingSessionMiddleware(lambda request: seen.append(request) or HttpResponse())
    assert not iscoroutinefunction(middleware)
    middleware(RequestFactory().get("/", headers=headers))
    return seen[0]


def session_of(**headers):
    return requested(**headers).tracking_session


def answered(view, **headers):
    """The answer of an async view behind the middleware."""
    middleware = TrackingSessionMiddleware(view)
    assert iscoroutinefunction(middleware)
    return async_to_sync(middleware)(AsyncRequestFactory().get("/", headers=headers))


def test_a_view_sees_the_session_of_the_cookie_and_of_the_header():
    first, second = sessions.start(PLAYOUT, "ada"), sessions.start(PLAYOUT)
    session = session_of(cookie=f"{COOKIE}={first.encoded}", x_jay_tracking=second.encoded)
    assert session
    assert session.token == first.token
    assert session.session_id == first.token.session_id
    assert session.start_time == first.token.start_time
    assert (session.source, session.user_id) == (first.token.source, "ada")
    assert session.provider_name == "netflix"
    assert session_of(x_jay_tracking=second.encoded).session_id == second.token.session_id


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_jay_tracking": "no token"},
        {"x_jay_tracking": "\ud800\x00é" * 2000},
        {"cookie": f"{COOKIE}=; {COOKIE}; =;;;"},
        {"cookie": f"{COOKIE}={unsigned(session_id=...)}"},
    ],
)
def test_whatever_else_comes_is_no_session(headers, django_assert_num_queries):
    with django_assert_num_queries(0):
        session = session_of(**headers)
        assert not session
        assert (session.token, session.session_id, session.start_time) == (None, None, None)
        assert (session.source, session.user_id, session.provider_name) == (None, None, None)


def test_an_ended_session_is_none():
    started = sessions.start(PLAYOUT)
    sessions.end([started.encoded])
    assert not session_of(x_jay_tracking=started.encoded)


def test_nothing_is_asked_before_it_is_used_and_nothing_twice(django_assert_num_queries):
    encoded = sessions.start(PLAYOUT, "ada").encoded
    with django_assert_num_queries(0):
        session = session_of(x_jay_tracking=encoded)
    with django_assert_num_queries(1):
        assert (bool(session), session.user_id, session.source) == (True, "ada", session.token.source)


def test_a_template_reads_it():
    text = (
        "{% if request.tracking_session %}{{ request.tracking_session.user_id }}{% else %}nobody{% endif %}"
    )
    template = Template(text)
    encoded = sessions.start(PLAYOUT, "ada").encoded
    assert template.render(Context({"request": requested(x_jay_tracking=encoded)})) == "ada"
    assert template.render(Context({"request": requested()})) == "nobody"


def test_while_the_database_is_away_there_is_no_session(caplog):
    encoded = sessions.start(PLAYOUT).encoded
    with store_down():
        assert not session_of(x_jay_tracking=encoded)
    assert "The database is unavailable" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_likewise_where_look_ups_are_shared(setting):
    setting(RECORDER="group")
    encoded = sessions.start(PLAYOUT).encoded
    with dead_database():
        assert not session_of(x_jay_tracking=encoded)
    assert session_of(x_jay_tracking=encoded)


def test_a_fault_is_logged_and_the_page_goes_on(monkeypatch, caplog):
    def fail(candidates):
        raise DatabaseError("no such table: jay_tracking_session")

    monkeypatch.setattr(sessions, "read", fail)
    assert not session_of(x_jay_tracking="anything")
    assert "no such table" in caplog.text


def test_caches_learn_what_an_answer_hangs_on_where_it_does():
    middleware = TrackingSessionMiddleware(lambda request: HttpResponse(bool(request.tracking_session)))
    response = middleware(RequestFactory().get("/"))
    assert response["Vary"] == "Cookie, X-JAY-TRACKING"
    assert "Vary" not in TrackingSessionMiddleware(lambda request: HttpResponse())(RequestFactory().get("/"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("recorder", ["direct", "group"])
def test_an_async_view_awaits_it(recorder, setting):
    setting(RECORDER=recorder)

    async def view(request):
        session = await request.atracking_session()
        assert session is request.tracking_session
        return HttpResponse(request.tracking_session.user_id if session else "nobody")

    response = answered(view, x_jay_tracking=sessions.start(PLAYOUT, "ada").encoded)
    assert (response.content, response["Vary"]) == (b"ada", "Cookie, X-JAY-TRACKING")
    assert answered(view).content == b"nobody"


@pytest.mark.parametrize("headers", [{}, {"x_jay_tracking": "a token"}])
def test_an_async_view_that_forgets_to_is_told_so(headers):
    async def view(request):
        with pytest.raises(SynchronousOnlyOperation, match=r"await request\.atracking_session\(\)"):
            bool(request.tracking_session)
        return HttpResponse()

    assert "Vary" not in answered(view, **headers)


def test_the_example_site_has_it(client, async_client):
    encoded = sessions.start(PLAYOUT, "ada").encoded
    request = client.get("/", headers={"X-JAY-TRACKING": encoded}).wsgi_request
    assert request.tracking_session.user_id == "ada"
    assert async_to_sync(async_client.get)("/").status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("recorder", ["direct", "group"])
def test_sessions_start_are_read_and_end_in_async_code(recorder, setting):
    setting(RECORDER=recorder)

    async def life():
        started = await sessions.astart(PLAYOUT, "ada")
        token = await sessions.aread([started.encoded])
        counts = [await sessions.aend([started.encoded]) for _ in range(2)]
        with pytest.raises(sessions.NoSession):
            await sessions.aread([started.encoded])
        return started.token, token, counts

    started, token, counts = async_to_sync(life)()
    assert (token, counts) == (started, [1, 0])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("recorder", ["direct", "group"])
def test_without_await_async_code_is_refused_before_anything_is_done(recorder, setting):
    setting(RECORDER=recorder)
    encoded = sessions.start(PLAYOUT).encoded

    async def wrong():
        with pytest.raises(SynchronousOnlyOperation):
            sessions.start(PLAYOUT)
        with pytest.raises(SynchronousOnlyOperation):
            sessions.read([encoded])

    asyncio.run(wrong())
    assert sessions.read([encoded])
