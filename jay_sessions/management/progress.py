"""A progress bar for commands: on a terminal one line that is drawn anew, elsewhere a line now and then."""

import time
from typing import Any

_WIDTH = 30
_REDRAW = 0.1
_LINE = 30.0


class Progress:
    """`with Progress(total, self.stderr) as progress`, then `progress.add()` for each thing that is done."""

    def __init__(self, total: int, out: Any) -> None:
        self._total = total
        self._out = out
        self._done = 0
        self._is_terminal = out.isatty()
        self._next = 0.0 if self._is_terminal else time.monotonic() + _LINE

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._is_terminal and self._done:
            self._draw()
            self._out.write("")

    def add(self, count: int = 1, *, left: int | None = None) -> None:
        """Note that so many more are done; what is beyond the total counts to it, as does what is `left`."""
        self._done += count
        self._total = max(self._total if left is None else self._done + left, self._done)
        if time.monotonic() >= self._next:
            self._draw()
            self._next = time.monotonic() + (_REDRAW if self._is_terminal else _LINE)

    def _draw(self) -> None:
        share = self._done / self._total
        text = f"{share:4.0%} {self._done:,} of {self._total:,}"
        if self._is_terminal:
            bar = "█" * round(share * _WIDTH)
            self._out.write(f"\r{bar:░<{_WIDTH}} {text}", style_func=str, ending="")
        else:
            self._out.write(text, style_func=str)
