"""What an operator is told of each failure."""

import html

import pytest

from jay_sessions import exceptions
from jay_sessions.zephr import gateway
from jay_sessions.zephr.advice import ADVICE, advice_on, in_words
from project.zephr_demo_sessions import DEMO_SESSIONS

from ..support.zephr_held import refusing

pytest_plugins = ["tests.support.zephr_gateway_fixtures"]
pytestmark = pytest.mark.django_db

PAGE = "/admin/jay_sessions/trackingsession/zephr/"
KNOWN = next(iter(DEMO_SESSIONS))


def kinds(above):
    return {kind for below in above.__subclasses__() for kind in {below, *kinds(below)}}


def test_each_failure_of_a_call_has_its_advice_or_that_of_its_kind():
    failures = kinds(exceptions.ZephrError) - {exceptions.ZephrNotConfigured}
    assert not [kind for kind in failures if not set(kind.__mro__) & set(ADVICE)]


def test_while_the_circuit_is_open_the_operator_learns_that_nobody_was_asked(
    admin_client, stand_in, set_zephr
):
    set_zephr(stand_in.base_url, CIRCUIT_FAILURES=1)
    stand_in.fault = refusing()
    pages = [admin_client.post(PAGE, {"session_id": KNOWN}).content.decode() for _ in range(2)]
    assert "cannot be reached or fails" in pages[0]
    assert "it is not called" in pages[1]


def test_a_clock_that_is_off_is_advised_on_like_refused_credentials(admin_client, stand_in):
    stand_in.fault = refusing("401 Unauthorized", Date="Thu, 01 Jan 2026 00:00:00 GMT")
    assert "clock" in admin_client.post(PAGE, {"session_id": KNOWN}).content.decode()


def test_the_page_says_why_zephr_cannot_be_reached(admin_client, stand_in, set_zephr):
    set_zephr(stand_in.base_url)
    stand_in.stop()
    page = html.unescape(admin_client.post(PAGE, {"session_id": KNOWN}).content.decode())
    assert "Zephr cannot be reached or fails. Nothing listens there. Check host and port in BASE_URL" in page


@pytest.mark.parametrize("kind", ADVICE, ids=lambda kind: kind.__name__)
def test_the_page_and_the_command_advise_the_same(admin_client, monkeypatch, set_zephr, stand_in, kind):
    error = kind("The words of the error.", 3)

    def fail(*args, **kwargs):
        raise error

    set_zephr(stand_in.base_url)
    monkeypatch.setattr(gateway, "look_up", fail)
    title, remedy = advice_on(error)
    assert in_words(error).startswith(f"The words of the error. {remedy}")
    page = html.unescape(admin_client.post(PAGE, {"session_id": KNOWN}).content.decode())
    assert f"{title} {remedy}" in page
