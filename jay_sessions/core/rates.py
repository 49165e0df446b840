"""Rates such as `100/min`: a number of requests in each window of a fixed length."""

import dataclasses
import re

_FORM = re.compile(r"([1-9][0-9]{0,8})/(s|sec|second|m|min|minute|h|hour|d|day)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclasses.dataclass(frozen=True, slots=True)
class Rate:
    """`limit` requests in `period` seconds."""

    limit: int
    period: int

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Read a text such as `100/min`, with DRF's names for s, min, hour and day. Raises ValueError."""
        form = _FORM.fullmatch(text)
        if form is None:
            raise ValueError(f'"{text}" is not a rate such as "100/min"')
        return cls(int(form[1]), _SECONDS[form[2][0]])
