"""Splits an iterable into lists of a fixed size."""

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def batched(things: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the things in lists of `size`; the last list may be shorter, but never empty."""
    following = iter(things)
    # Python has `itertools.batched` from 3.12 on.
    while batch := list(itertools.islice(following, size)):
        yield batch
