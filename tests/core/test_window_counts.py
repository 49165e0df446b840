import concurrent.futures

from jay_sessions.core.rates import Rate
from jay_sessions.core.window_counts import WindowCounts

RATE = Rate(5, 60)


def test_each_is_counted_for_itself():
    counts = WindowCounts()
    assert [counts.increment("key", who, RATE, 1) for who in ("a", "a", "b", "a")] == [1, 2, 1, 3]
    assert counts.increment("anonymous", "a", RATE, 1) == 1
    assert counts.increment("key", "a", Rate(6, 60), 1) == 1


def test_another_window_begins_anew_also_an_earlier_one():
    counts = WindowCounts()
    assert [counts.increment("key", "a", RATE, window) for window in (7, 7, 8, 8, 7)] == [1, 2, 1, 2, 1]


def test_what_is_over_is_forgotten():
    counts = WindowCounts()
    for who in range(1000):
        counts.increment("anonymous", str(who), RATE, 1)
    counts.increment("anonymous", "x", RATE, 2)
    [(_, kept)] = counts._windows.values()
    assert list(kept) == ["x"]


def test_beyond_the_bound_the_rest_share_a_count_and_push_nobody_out():
    counts = WindowCounts(max_counts=3)
    for who in "abc":
        counts.increment("anonymous", who, RATE, 1)
    assert [counts.increment("anonymous", str(who), RATE, 1) for who in range(100)] == list(range(1, 101))
    assert counts.increment("anonymous", "a", RATE, 1) == 2
    assert counts.increment("key", "a", RATE, 1) == 1


def test_threads_lose_no_count():
    counts = WindowCounts()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: counts.increment("key", "a", RATE, 1), range(2000)))
    assert sorted(seen) == list(range(1, 2001))
