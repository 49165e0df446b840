"""The judge sees what it is there for."""

import time
import uuid

import pytest

from ..support.clients import CUT_OFF, HUNG, REFUSED, RIGHT, WRONG
from ..support.servers import Server
from .judge import judge
from .load import ENDED, ENDING, LIVE, Answer, Known, Load

LOAD = "load"
USER = f"{LOAD}-0-1"


@pytest.fixture
def load():
    """A load of one acknowledged session, which ended a while ago: the outage was over at 100."""
    made = Load(Server(0, "key", ""))
    made.name, made.began = LOAD, 90.0
    made.known = [Known(uuid.UUID(int=1), USER, "token", 95.0)]
    made.answers = [answer(sent) for sent in range(90, 120)]
    return made


def answer(sent, verb="POST", kind=RIGHT, status=200, took=0.5):
    return Answer(verb, sent, sent + took, kind, status)


def rows(ended=False, **more):
    return {uuid.UUID(int=1): (USER, ended), **{uuid.UUID(int=2): (user, False) for user in more.values()}}


def verdict(load, found=None, **options):
    return judge(load, rows() if found is None else found, 100.0, **options)


def test_nothing_is_wrong_with_what_is_right(load):
    said = verdict(load)
    assert said.faults == []
    assert (said.recovered, said.gap, said.slowest) == (0.0, 1.0, 0.5)


def test_refusals_are_right_until_the_site_has_had_its_time(load):
    load.answers += [answer(sent, kind=REFUSED, status=503) for sent in range(95, 109)]
    assert verdict(load).faults == []
    assert verdict(load).recovered == 8.5
    load.answers.append(answer(111, kind=REFUSED, status=503))
    assert verdict(load).faults == ["It took 11.5 s to recover."]
    [fault] = verdict(load, settled=False).faults
    assert fault.startswith("It has not recovered: ")


def test_what_is_acknowledged_is_there_once(load):
    assert verdict(load, {}).lost == 1
    assert verdict(load, rows(twice=USER)).twice == 1
    assert verdict(load, rows(more=f"{LOAD}-0-2")).unacknowledged == 1
    assert verdict(load, rows(others="somebody else")).faults == []


def test_what_a_standby_had_not_got_may_be_lost(load):
    load.risk(since=96.0)
    assert verdict(load, {}).lost == 1
    load.risk(since=95.0)
    assert verdict(load, {}).faults == []
    assert verdict(load, {}).at_risk == 1


@pytest.mark.parametrize(
    ("state", "ended", "revived"),
    [
        (LIVE, False, 0),
        (LIVE, True, 1),
        (ENDING, True, 0),
        (ENDING, False, 0),
        (ENDED, True, 0),
        (ENDED, False, 1),
    ],
)
def test_what_was_ended_stays_ended_and_nothing_else_is(load, state, ended, revived):
    load.known[0].state = state
    assert verdict(load, rows(ended)).revived == revived


@pytest.mark.parametrize("kind", [HUNG, CUT_OFF, WRONG])
def test_each_request_is_answered_and_in_the_right_way(load, kind):
    load.answers.append(answer(99, "GET", kind, 0))
    [fault] = verdict(load).faults
    assert kind in fault
    assert (verdict(load, unanswered=["GET"]).faults == []) == (kind != WRONG)


def test_no_answer_takes_for_ever(load):
    load.answers.append(answer(97, took=12.5))
    assert verdict(load).faults == ["A POST was right after 12.5 s."]


def test_who_says_ready_takes_sessions(load):
    load.answers = [answer(90), answer(120)]
    load.answers += [answer(sent, "READY") for sent in range(91, 101)]
    assert verdict(load).faults == []
    load.answers.append(answer(101, "READY"))
    assert verdict(load).faults == ["It said ready for 11.0 s while no POST was acknowledged."]
    # It noticed in between, and was ready again before the first POST was.
    load.answers = [answer(90), answer(91, "READY"), answer(119, "READY"), answer(120)]
    load.answers += [answer(sent, "READY", status=503) for sent in range(92, 119)]
    assert verdict(load).false_ready == pytest.approx(1.0)


def test_a_site_that_is_not_ready_has_not_recovered(load):
    load.answers.append(answer(time.monotonic(), "READY", status=503))
    assert verdict(load).recovered > 10
    assert verdict(load).counts["READY"] == {"unready": 1}
