"""What came of a site."""

import dataclasses

from .declared import Site
from .environments import Environment


@dataclasses.dataclass
class Result:
    """Which steps were right, what was wrong with others, and what the server logged."""

    site: Site
    environment: Environment | None = None
    right: list[str] = dataclasses.field(default_factory=list)
    wrong: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    log: str = ""
    seconds: float = 0
