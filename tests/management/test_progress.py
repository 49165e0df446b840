"""What somebody who waits for a command sees: a bar on a terminal, a line now and then in a log."""

import io

import pytest
from django.core.management.base import OutputWrapper

from jay_sessions.management.progress import Progress

from .test_command_output import Terminal


def shown(out, clock, total=4, counts=(1, 1, 2), every=20.0):
    """What is shown of work whose parts take `every` seconds each."""
    with Progress(total, OutputWrapper(out), clock=clock) as progress:
        for count in counts:
            clock.now += every
            progress.add(count)
    return out.getvalue()


def test_a_log_has_a_line_each_half_minute(clock):
    assert shown(io.StringIO(), clock) == " 50% 2 of 4\n"
    assert shown(io.StringIO(), clock, every=30.0) == " 25% 1 of 4\n 50% 2 of 4\n100% 4 of 4\n"
    assert shown(io.StringIO(), clock, every=5.0) == ""


def test_a_terminal_has_one_line_that_is_drawn_anew_and_ends(clock):
    drawn = shown(Terminal(), clock).split("\r")
    assert [line.lstrip("█░ ") for line in drawn] == [
        "", "25% 1 of 4", "50% 2 of 4", "100% 4 of 4", "100% 4 of 4\n",
    ]  # fmt: skip
    assert [line.count("█") for line in drawn] == [0, 8, 15, 30, 30]


def test_a_terminal_is_not_drawn_upon_more_often_than_anyone_sees(clock):
    assert shown(Terminal(), clock, 100, [1] * 100, every=0.015625).count("\r") == 1 + 100 // 7 + 1


def test_a_terminal_has_no_line_of_nothing(clock):
    assert shown(Terminal(), clock, 0, ()) == ""


@pytest.mark.parametrize("every", [0.0, 60.0])
def test_who_wants_to_see_nothing_sees_nothing(clock, every):
    with Progress(2, None, clock=clock) as progress:
        for _ in range(2):
            clock.now += every
            progress.add()


def test_more_than_was_foreseen_is_not_more_than_all(clock):
    assert shown(io.StringIO(), clock, 1, [3], every=30.0) == "100% 3 of 3\n"
    out = io.StringIO()
    with Progress(9, OutputWrapper(out), clock=clock) as progress:
        clock.now += 30
        progress.add(2, left=6)
    assert out.getvalue() == " 25% 2 of 8\n"
