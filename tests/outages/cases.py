"""Which cases there are: some of each kind in an ordinary run, all with `JAY_OUTAGES=all`."""

import os
from collections.abc import Sequence
from typing import Any

import pytest

from .variants import Variant, all_variants

EVERY = os.environ.get("JAY_OUTAGES") == "all"
MARKS = [pytest.mark.outage, pytest.mark.server, pytest.mark.timeout(180)]


def each(*ordinary: Variant, further: Sequence[Variant] = ()) -> Any:
    """Let a test run with the `ordinary` variants; where all cases run, with all that there are."""
    variants = list(dict.fromkeys([*ordinary, *([*further, *all_variants()] if EVERY else ())]))
    return pytest.mark.parametrize("variant", variants, ids=str)
