import logging
import re

import pytest
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache

from jay_sessions.zephr.entries import Entry, Place, key_of

from ..support.zephr_held import LOCAL_CACHE

ENTRY = Entry({"v": 7}, 1000.5)


class BrokenCache(BaseCache):
    """A cache that is down, and whose exceptions name its password."""

    def __init__(self, location, params):
        super().__init__(params)

    def get(self, *args, **kwargs):
        raise ConnectionError("redis://:cache-password@cache:6379")

    add = set = delete = clear = get


@pytest.fixture
def place(settings):
    settings.CACHES = LOCAL_CACHE
    cache.clear()
    return Place("key")


@pytest.mark.parametrize("entry", [ENTRY, Entry({}, 1000.0), Entry(None, 1000.0)])
def test_what_was_written_is_read(place, entry):
    assert place.read() is None
    assert place.write(entry, 30)
    assert place.read() == entry
    assert Place("key").read() == entry
    assert Place("another").read() is None


def test_writing_for_no_time_forgets_what_was_there(place):
    place.write(ENTRY, 30)
    assert not place.write(Entry(None, 1001.0), 0)
    assert place.read() is None


@pytest.mark.parametrize(
    "value",
    [
        "text",
        7,
        [],
        {},
        {"raw": {}},
        {"at": 1.0},
        {"raw": "text", "at": 1.0},
        {"raw": [1], "at": 1.0},
        {"raw": {}, "at": "1"},
        {"raw": {}, "at": None},
        {"raw": {}, "at": float("nan")},
        {"raw": {}, "at": float("inf")},
    ],
    ids=repr,
)
def test_something_else_under_the_key_counts_as_nothing(place, value):
    cache.set("key", value)
    assert place.read() is None


@pytest.mark.parametrize(("now", "age"), [(1000.5, 0), (1010.0, 9.5), (900.0, 0)])
def test_an_age_is_never_below_0(now, age):
    assert ENTRY.age(now) == age


@pytest.mark.parametrize(("now", "credible"), [(1000.5, True), (996.0, True), (995.0, False), (0.0, False)])
def test_what_is_from_the_future_is_not_believed(now, credible):
    assert ENTRY.is_credible(now) is credible


@pytest.mark.parametrize("session_id", ["some one", "ä" * 255, "a:b\\c%", "26a73b7a"])
def test_a_key_is_short_and_plain_and_does_not_tell_the_id(session_id):
    key = key_of("https://a.example", "access", session_id)
    assert re.fullmatch(r"jay_sessions\.[0-9a-f]{16}\.zephr\.[0-9a-f]{64}", key)


def test_each_part_of_a_key_makes_another():
    parts = [
        ("https://a", "b", "c"),
        ("https://b", "b", "c"),
        ("https://a", "c", "c"),
        ("https://a", "b", "d"),
    ]
    assert len({key_of(*part) for part in parts}) == 4


def test_one_at_a_time_has_the_lock(place):
    other = Place("key")
    assert not place.is_locked()
    assert place.lock(30)
    assert other.is_locked()
    assert not other.lock(30)
    other.unlock()
    assert other.is_locked()
    place.unlock()
    assert not other.is_locked()
    assert other.lock(30)


def test_a_lock_that_ran_out_and_is_now_somebody_elses_is_left_alone(place):
    assert place.lock(30)
    cache.delete("key.lock")
    assert Place("key").lock(30)
    place.unlock()
    assert place.is_locked()


def test_a_cache_that_is_down_is_tried_once_and_done_without(settings, caplog):
    settings.CACHES = {"default": {"BACKEND": "tests.zephr.test_entries.BrokenCache"}}
    place = Place("key")
    assert place.read() is None
    assert not place.write(ENTRY, 30)
    assert place.lock(30)
    assert not place.is_locked()
    place.unlock()
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings == ["The cache failed, Zephr is asked instead: ConnectionError"]
    assert "cache-password" not in caplog.text
