"""A refusal that a clock explains says so."""

import email.utils

import pytest

from jay_sessions.exceptions import ZephrClockSkew, ZephrCredentialsRejected
from project.zephr_stand_in import ZephrStandIn

from ..support.zephr_wire import ACCESS_KEY, KNOWN, SECRET_KEY, answer, sending

pytest_plugins = ["tests.support.zephr_fixtures"]

NOW = 1770541740.0


@pytest.mark.parametrize(("ahead", "words"), [(3600, "3,600 seconds ahead of"), (-400, "400 seconds behind")])
def test_a_clock_that_is_far_off_is_named_and_by_how_much(connect, ahead, words):
    with ZephrStandIn(ACCESS_KEY, SECRET_KEY, clock=lambda: NOW) as zephr:
        with pytest.raises(ZephrClockSkew) as caught:
            connect(zephr.base_url, clock=lambda: NOW + ahead).get_session(KNOWN)
        assert len(zephr.requests) == 1
    assert caught.value.seconds == ahead
    assert caught.value.code == "ZEPHR_CREDENTIALS_REJECTED"
    assert str(caught.value) == f"Zephr refuses the signature (401); this machine's clock is {words} Zephr's."


@pytest.mark.parametrize("ahead", [30, -30, 0])
def test_a_clock_that_is_near_explains_nothing(connect, ahead):
    other = ZephrStandIn(ACCESS_KEY, "another secret", clock=lambda: NOW)
    with other as zephr, pytest.raises(ZephrCredentialsRejected) as caught:
        connect(zephr.base_url, clock=lambda: NOW + ahead).get_session(KNOWN)
    assert type(caught.value) is ZephrCredentialsRejected


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_both_refusals_are_looked_at(zephr, zephr_client, status):
    zephr.fault = sending(answer(b"", status, Date="Thu, 01 Jan 2026 00:10:00 GMT"))
    with pytest.raises(ZephrClockSkew, match=status[:3]):
        zephr_client.get_session(KNOWN)


@pytest.mark.parametrize("date", [None, "", "now", "1770541740", "Mon, 99 Foo 2026 99:00:00 GMT"])
def test_without_a_date_that_can_be_read_nothing_is_said_of_clocks(zephr, zephr_client, date):
    zephr.fault = sending(answer(b"", "401 Unauthorized", Date=date))
    with pytest.raises(ZephrCredentialsRejected) as caught:
        zephr_client.get_session(KNOWN)
    assert type(caught.value) is ZephrCredentialsRejected


def test_the_date_is_held_against_the_middle_of_request_and_answer(zephr, connect):
    zephr.fault = sending(answer(b"", "401 Unauthorized", Date=email.utils.formatdate(NOW, usegmt=True)))
    with pytest.raises(ZephrCredentialsRejected) as near:
        connect(zephr.base_url, clock=iter([NOW, NOW + 50]).__next__).get_session(KNOWN)
    assert type(near.value) is ZephrCredentialsRejected
    with pytest.raises(ZephrClockSkew) as far:
        connect(zephr.base_url, clock=iter([NOW, NOW + 70]).__next__).get_session(KNOWN)
    assert far.value.seconds == 35
