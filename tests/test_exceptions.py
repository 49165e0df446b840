"""Exceptions and values survive what sends them elsewhere: pickle, copy, a process pool, a queue's JSON."""

import concurrent.futures
import copy
import datetime
import json
import multiprocessing
import pickle

import django
import pytest

from jay_sessions import exceptions
from jay_sessions.analytics import statistics
from jay_sessions.analytics.buckets import Interval
from jay_sessions.analytics.rollups import Step
from jay_sessions.analytics.timeseries import Bucket
from jay_sessions.api import errors
from jay_sessions.core import identifiers, tokens
from jay_sessions.exceptions import JaySessionsError
from jay_sessions.sessions import Started
from jay_sessions.zephr.gateway import LookupResult, Source
from jay_sessions.zephr.retries import Attempt
from jay_sessions.zephr.session import ZephrSession

from .zephr.test_session import REFERENCE

NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)

# What a class takes besides a message.
ARGUMENTS = {
    exceptions.InvalidValue: ("string_too_long", "Too long."),
    exceptions.ZephrClockSkew: ("The clock is wrong.", -3.5),
    exceptions.ZephrCircuitOpen: ("Zephr is left alone.", 7),
    exceptions.ZephrBusy: ("Too many wait.", 2),
    exceptions.ZephrThrottled: ("Zephr throttles.", 30),
    errors.BadParameter: (("query", "user_id"), "string_too_long", "Too long."),
}


def kinds(kind=JaySessionsError):
    """The class and all below it that the app itself defines."""
    below = [found for one in kind.__subclasses__() for found in kinds(one)]
    return [one for one in [kind, *below] if one.__module__.startswith("jay_sessions.")]


def made(kind):
    for base, arguments in ARGUMENTS.items():
        if issubclass(kind, base):
            return kind(*arguments)
    return kind("Something is wrong.")


def same(one, other):
    return (type(one), str(one), one.args, vars(one)) == (type(other), str(other), other.args, vars(other))


def raise_it(kind):
    raise made(kind)


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_exception_is_the_same_after_pickling(kind, protocol):
    error = made(kind)
    error.add_note("in the morning")
    assert same(pickle.loads(pickle.dumps(error, protocol)), error)


@pytest.mark.parametrize("kind", kinds())
def test_an_exception_is_the_same_after_copying(kind):
    assert same(copy.copy(made(kind)), made(kind))
    assert same(copy.deepcopy(made(kind)), made(kind))


@pytest.mark.parametrize("kind", kinds())
def test_an_exception_is_made_anew_of_its_arguments_as_json(kind):
    # So does Celery with the result of a task that failed.
    arguments = json.loads(json.dumps(made(kind).args))
    again = kind(*arguments)
    assert (str(again), vars(again)) == (str(made(kind)), vars(made(kind)))


@pytest.mark.parametrize("kind", kinds())
def test_the_text_of_an_exception_is_its_message_alone(kind):
    error = made(kind)
    [sentence] = [part for part in error.args if isinstance(part, str) and part.endswith(".")]
    assert str(error) == sentence


def test_the_walk_finds_the_exceptions():
    names = {kind.__name__ for kind in kinds()}
    assert {"InvalidUserId", "InvalidPlayoutId", "InvalidZephrSessionId", "ZephrCircuitOpen"} <= names
    assert {"ZephrClockSkew", "ZephrThrottled", "StoreUnavailable", "BadParameter"} <= names


def test_a_process_pool_hands_each_exception_on_and_goes_on():
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context, django.setup) as pool:
        found = [pool.submit(raise_it, kind).exception(60) for kind in kinds()]
    for kind, error in zip(kinds(), found, strict=True):
        assert same(error, made(kind))


def test_what_cleaning_a_value_raises_survives_as_well():
    with pytest.raises(exceptions.InvalidUserId) as caught:
        identifiers.clean_user_id("a" * 256)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.kind, again.message) == (caught.value.kind, caught.value.message)


TOKEN = tokens.Token("some-session", NOON, "here", "ada", "netflix", True)
VALUES = [
    TOKEN,
    Started(TOKEN, "encoded"),
    ZephrSession.parse(REFERENCE),
    LookupResult(ZephrSession.parse(REFERENCE), Source.MISS),
    Attempt(1, "OK", 0.1, 200),
    Bucket(NOON, 3, 2),
    statistics.Filters(),
    statistics.Metrics(3, 2, 1),
    Step(NOON.date(), 3),
    Interval.DAY,
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_value_is_the_same_after_pickling(value, protocol):
    again = pickle.loads(pickle.dumps(value, protocol))
    assert type(again) is type(value)
    assert again == value
    assert copy.copy(value) == copy.deepcopy(value) == value
