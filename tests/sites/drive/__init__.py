"""What is done on each site, as steps: a sentence that is to be true, and a function that needs it."""

from collections.abc import Callable

from ..visit import Visit

Step = tuple[str, Callable[[Visit], None]]
