"""A progress bar for commands: on a terminal one line that is redrawn, elsewhere a line now and then."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

_WIDTH = 30
_REDRAW = 0.1
_LINE = 30.0


class Progress:
    """`with Progress(total, self.stderr) as progress`, then `progress.add()` for each finished thing.

    With `out` None it shows nothing. If output fails, the work goes on without it. `clock` gives seconds.
    """

    def __init__(self, total: int, out: Any, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._out = out
        self._clock = clock
        self._done = 0
        self._is_terminal = out is not None and out.isatty()
        self._next = 0.0 if self._is_terminal else clock() + _LINE

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._is_terminal and self._done:
            self._draw()
            self._write("\n")

    def add(self, count: int = 1, *, left: int | None = None) -> None:
        """Count finished things; the total grows if they are more. `left` sets how many are left."""
        self._done += count
        self._total = max(self._total if left is None else self._done + left, self._done)
        if self._out is not None and self._clock() >= self._next:
            self._draw()
            self._next = self._clock() + (_REDRAW if self._is_terminal else _LINE)

    def _draw(self) -> None:
        share = self._done / self._total
        text = f"{share:4.0%} {self._done:,} of {self._total:,}"
        if self._is_terminal:
            bar = "█" * round(share * _WIDTH)
            self._write(f"\r{bar:░<{_WIDTH}} {text}")
        else:
            self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._out.write(text, style_func=str, ending="")
