"""Round scales for counts and durations, and the text for both."""

import enum
import itertools
import math
from collections.abc import Iterator

from django.utils.formats import number_format
from django.utils.translation import gettext as _

INTERVALS = 5
"""The most steps that a chart's scale has."""

_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 18_000)


class Unit(enum.Enum):
    """A kind of number, with its round steps and its text."""

    COUNT = enum.auto()
    SECONDS = enum.auto()

    def steps(self) -> Iterator[int]:
        """Yield the round steps, smallest first, without end."""
        first, base = (_SECONDS, 36_000) if self is Unit.SECONDS else ((), 1)
        rest = (base * 10**power * digit for power in itertools.count() for digit in (1, 2, 5))
        return itertools.chain(first, rest)

    def text(self, value: float | None) -> str:
        """Return `value` as the shortest text; a dash for None."""
        if value is None:
            return "-"
        return duration(value) if self is Unit.SECONDS else number_format(round(value), force_grouping=True)


def percentage(value: float, decimals: int) -> str:
    """Return a percentage, rounded."""
    # Rounded here, as `number_format` cuts digits off.
    return _("%s%%") % number_format(round(value, decimals), decimals, force_grouping=True)


def duration(seconds: float) -> str:
    """Return a duration in its two largest units, for example "1 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return _("%(seconds)d s") % {"seconds": whole}
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        text = _("%(minutes)d min") % {"minutes": minutes}
        return f"{text} {_('%(seconds)d s') % {'seconds': rest}}" if rest else text
    hours, rest = divmod(round(whole / 60), 60)
    text = _("%(hours)s h") % {"hours": number_format(hours, force_grouping=True)}
    return f"{text} {_('%(minutes)d min') % {'minutes': rest}}" if rest else text


def ticks(highest: float, unit: Unit) -> list[int]:
    """Return a scale from 0 to `highest` or just above it, in at most `INTERVALS` round steps."""
    step = next(step for step in unit.steps() if step * INTERVALS >= highest)
    return [step * number for number in range(max(1, math.ceil(highest / step)) + 1)]
