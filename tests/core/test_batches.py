import itertools

import pytest

from jay_sessions.core.batches import batched


@pytest.mark.parametrize(
    ("count", "batches"),
    [(0, []), (1, [[0]]), (3, [[0, 1, 2]]), (4, [[0, 1, 2], [3]]), (6, [[0, 1, 2], [3, 4, 5]])],
)
def test_each_thing_is_in_one_batch(count, batches):
    assert list(batched(range(count), 3)) == batches
    assert list(batched(iter(range(count)), 3)) == batches


def test_no_more_is_taken_than_is_asked_for():
    assert next(batched(itertools.count(), 2)) == [0, 1]
